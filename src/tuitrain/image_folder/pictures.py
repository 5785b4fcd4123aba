"""Find the pictures that paths name: files as they are, and all images below folders."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tuitrain.image_folder.walk import ImageFinder, Skipped
from tuitrain.text import plain

Refuse = Callable[[str, str], object]
"""Called with a path that leads to no picture, and the reason."""


def find_pictures(paths: Iterable[str | None], skipped: Skipped, refuse: Refuse) -> Iterator[str | None]:
    """Yield each file, and the images below each folder in a fixed order. Add what is not used to `skipped`. Refuse a
    folder that cannot be read or has no image; a file is not opened, so it may be no image. Pass on None, which says
    that the next path may take a while."""
    for path in paths:
        if path is None or not os.path.isdir(path):  # noqa: PTH112 (a path may contain a NUL)
            yield path
            continue
        empty = True
        try:
            for image in _below(path, skipped):
                empty = False
                yield image
        except OSError as error:
            where = error.filename if isinstance(error.filename, str) else path
            refuse(where, (error.strerror or "cannot be read").lower())
        else:
            if empty:
                refuse(path, "a folder without images")


def _below(folder: str, skipped: Skipped) -> Iterator[str]:
    root = Path(folder)
    return ImageFinder([root], skipped, lambda: False).images(root)


def describe(skipped: Skipped) -> Iterator[str]:
    """Yield a sentence for each kind of skipped file."""
    if skipped.suffixes:
        yield f"skipped files that are not images: {plain(skipped, 200)}"
    if skipped.litter:
        yield f"skipped hidden and system files: {skipped.litter:,}"
    if links := skipped.links:
        more = f" and {len(links) - 1:,} more" if len(links) > 1 else ""
        yield f"skipped links to images that are used already: {plain(links[0], 200)}{more}"
