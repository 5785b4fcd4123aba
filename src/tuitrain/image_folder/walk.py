"""List the images below a folder, and count the other files."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tuitrain.image_folder.names import is_litter

# Suffixes of images, whose content is not looked at before they are read.
IMAGE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff", ".webp", ".gif",
    ".avif", ".tga", ".jp2", ".j2k",
}  # fmt: skip
# Suffixes of pictures and films that Pillow cannot read.
UNREADABLE_SUFFIXES = {
    ".heic", ".heif", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".dng", ".raf", ".svg", ".psd", ".jxl", ".dcm",
    ".nii", ".mp4", ".mov", ".avi", ".mkv", ".webm",
}  # fmt: skip


@dataclass
class Skipped:
    """Count files that are not images, by suffix."""

    suffixes: Counter[str] = field(default_factory=Counter)

    def discard(self, suffix: str) -> None:
        """Forget one file with this suffix."""
        self.suffixes -= Counter([suffix])

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in self.suffixes.most_common(5))


def find_images(folder: Path, skipped: Skipped, stop: Callable[[], bool]) -> Iterator[str]:
    """Yield the paths of all images below `folder`, in the same order on every machine, until `stop` returns True;
    follow links to folders once.

    A file with an unknown suffix is an image if it begins like one. Raise OSError if a folder cannot be read.
    """
    # A link to a folder above would make the images of other classes images of this one.
    seen = {_identity(parent) for parent in folder.resolve().parents}
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        if (identity := _identity(root)) in seen:
            # A link to a folder that the walk has visited.
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in sorted(name for name in files if not is_litter(name)):
            if stop():
                return
            path = os.path.join(root, name)  # noqa: PTH118 (a million Path objects are slow)
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
            # A broken link counts as an unreadable image; a pipe, which would block forever, does not.
            if (suffix in IMAGE_SUFFIXES and (os.path.isfile(path) or os.path.islink(path))) or (  # noqa: PTH113, PTH114
                suffix not in UNREADABLE_SUFFIXES and _begins_like_an_image(path)
            ):
                yield path
            else:
                skipped.suffixes[suffix] += 1


def _identity(folder: str | Path) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _begins_like_an_image(path: str) -> bool:
    from PIL import Image

    if not os.path.isfile(path):  # noqa: PTH113
        return False
    try:
        Image.open(path).close()
    except Exception:  # Pillow raises many kinds of exceptions for other files.
        return False
    return True


def _raise(error: OSError) -> None:
    raise error
