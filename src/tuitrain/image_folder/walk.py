"""List the images below a folder, and count the other files."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tuitrain.image_folder.names import is_litter

# Suffixes of images, whose content is not looked at before they are read.
IMAGE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff", ".webp", ".gif",
    ".avif", ".heic", ".heif", ".hif", ".tga", ".jp2", ".j2k",
}  # fmt: skip
# Suffixes of pictures and films that Pillow cannot read.
UNREADABLE_SUFFIXES = {
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".dng", ".raf", ".svg", ".psd", ".jxl", ".dcm", ".nii", ".mp4",
    ".mov", ".avi", ".mkv", ".webm",
}  # fmt: skip
Identity = tuple[int, int]


@dataclass
class Skipped:
    """Files and links that a scan does not use: the number of files that are not images, by suffix, the `links` to
    images of another class or to images found before, and the number of files and folders that are litter."""

    suffixes: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    litter: int = 0

    def discard(self, suffix: str) -> None:
        """Forget one file with this suffix."""
        self.suffixes -= Counter([suffix])

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in self.suffixes.most_common(5))


class ImageFinder:
    """Finds the images of a split, each once. Follows links that lead outside of the `class_folders` of all splits, and
    adds all other files and links to `skipped`."""

    def __init__(self, class_folders: Iterable[Path], skipped: Skipped, stop: Callable[[], bool]) -> None:
        self._skipped, self._stop = skipped, stop
        folders = [folder for folder in class_folders if not folder.is_symlink()]
        self._classes = {_identity(folder) for folder in folders}
        self._above = {_identity(parent) for folder in folders for parent in folder.resolve().parents}
        self._folders: set[Identity] = set()
        # Files outside of the class folders, by folder and name.
        self._files: set[tuple[Identity, str]] = set()
        # Many links lead to few folders.
        self._place = cache(self._find_place)

    def images(self, folder: Path) -> Iterator[str]:
        """Yield the paths of all images below a class folder, in the same order on every machine, until `stop`, called
        for every file, returns True.

        A file with an unknown suffix is an image if it begins like one. Raise OSError if a folder cannot be read.
        """
        if not folder.is_symlink():
            yield from self._walk(str(folder), _identity(folder), outside=False)
        elif self._leads_outside(str(folder), None):
            yield from self._walk(str(folder), _identity(folder), outside=True)

    def _walk(self, folder: str, own: Identity, *, outside: bool) -> Iterator[str]:
        """Yield the images in `folder`, then those in its folders. `own` is the class folder."""
        if (identity := _identity(folder)) in self._folders:
            self._skipped.links.append(folder)
            return
        self._folders.add(identity)
        with os.scandir(folder) as found:
            everything = list(found)
        entries = sorted((entry for entry in everything if not is_litter(entry.name)), key=lambda entry: entry.name)
        self._skipped.litter += len(everything) - len(entries)
        folders: list[os.DirEntry[str]] = []
        files: list[os.DirEntry[str]] = []
        for entry in entries:
            (folders if _is_folder(entry) else files).append(entry)
        for entry in files:
            if self._stop():
                return
            if not self._is_image(entry):
                self._skipped.suffixes[_suffix(entry.name)] += 1
            elif self._is_new(entry, identity if outside else None):
                yield entry.path
        for entry in folders:
            is_link = entry.is_symlink()
            if not is_link or self._leads_outside(entry.path, own):
                yield from self._walk(entry.path, own, outside=outside or is_link)

    def _leads_outside(self, link: str, own: Identity | None) -> bool:
        """Return whether to follow a link to a folder. If not, add it to `skipped`, unless it leads into its `own`
        class folder, whose images are found anyway."""
        target = os.path.realpath(link)
        identity, of_class = self._place(target)
        if of_class is None and identity not in self._above | self._folders:
            return True
        if own is None or own not in (identity, of_class):
            self._skipped.links.append(link)
        return False

    def _is_new(self, entry: "os.DirEntry[str]", outside: Identity | None) -> bool:
        """Return False, and add the file to `skipped`, if it was found before or is a link into a class folder.
        `outside` is the folder that contains the file, if that is outside of the class folders."""
        key = None if outside is None else (outside, entry.name)
        # A broken link counts as an unreadable image.
        if entry.is_symlink() and os.path.exists(target := os.path.realpath(entry.path)):  # noqa: PTH110
            folder, name = os.path.split(target)
            identity, of_class = self._place(folder)
            key = (identity, name)
            if of_class is not None and not is_litter(name):
                self._skipped.links.append(entry.path)
                return False
        if key in self._files:
            self._skipped.links.append(entry.path)
            return False
        if key is not None:
            self._files.add(key)
        return True

    def _find_place(self, folder: str) -> tuple[Identity, Identity | None]:
        """Return the identity of a folder, and that of the class folder whose images include its own, if any."""
        identity = _identity(folder)
        for parent in (Path(folder), *Path(folder).parents):
            if (of_class := _identity(parent)) in self._classes:
                return identity, of_class
            if is_litter(parent.name):
                break
        return identity, None

    def _is_image(self, entry: "os.DirEntry[str]") -> bool:
        suffix = _suffix(entry.name)
        # A pipe would block its reader forever.
        if suffix in IMAGE_SUFFIXES:
            return entry.is_symlink() or entry.is_file()
        return suffix not in UNREADABLE_SUFFIXES and _begins_like_an_image(entry.path)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a million Path objects are slow)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _identity(folder: str | Path) -> Identity:
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _begins_like_an_image(path: str) -> bool:
    from PIL import Image

    from tuitrain.image_folder.heif import register_heif

    if not os.path.isfile(path):  # noqa: PTH113
        return False
    register_heif()
    try:
        Image.open(path).close()
    except Image.DecompressionBombError:
        return True
    except Exception:  # Pillow raises many kinds of exceptions for other files.
        return False
    return True
