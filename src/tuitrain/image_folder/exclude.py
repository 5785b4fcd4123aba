"""Leave out the images that the CSV file data.exclude names."""

import os
from collections.abc import Callable
from pathlib import Path

from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.labels import Labels
from tuitrain.text import plain

_HINT = "Remove rows from the file, or set data.exclude to none."


def exclude(found: ImageFolder, excluded: Labels, folder: Path, stop: Callable[[], bool]) -> None:
    """Remove the images in `excluded` from `found`, and note how many there are and which rows name no image. Raise
    DataError if a split or a class of the training split has no images left. Once `stop` returns True, nothing counts
    as missing."""
    relative = {
        os.path.relpath(path, folder): path for split in found.splits.values() for some in split for path in some
    }
    unknown: list[str] = []
    left_out = {relative[name] for name in excluded.find(list(relative), unknown)}
    source = plain(excluded.source.name)
    found.notes.append(f"{len(left_out):,} of {len(relative):,} images are excluded by {source}")
    remaining = {
        split: [[path for path in paths if path not in left_out] for paths in by_class]
        for split, by_class in found.splits.items()
    }
    found.groups = {path: group for path, group in found.groups.items() if path not in left_out}
    if not stop():
        found.notes += unknown
        _check(found, remaining, source)
    found.splits = remaining


def _check(found: ImageFolder, remaining: dict[str, list[list[str]]], source: str) -> None:
    if not any(any(by_class) for by_class in remaining.values()):
        raise DataError(f"{source} excludes all images.", _HINT)
    for split, by_class in remaining.items():
        if any(found.splits[split]) and not any(by_class):
            raise DataError(f"{source} excludes all {split} images.", _HINT)
    for name, before, after in zip(found.classes, found.splits["training"], remaining["training"], strict=True):
        if before and not after:
            raise DataError(f"{source} excludes all training images of the class {plain(name, 60)}.", _HINT)
