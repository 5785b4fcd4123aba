"""Apply the labels, groups and splits of a CSV file to the images of a folder."""

import os
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from tuitrain.errors import DataError
from tuitrain.image_folder.class_folders import check_classes
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.labels import Labels, Row
from tuitrain.image_folder.layout import LayoutName, folders
from tuitrain.image_folder.names import assigned_split
from tuitrain.image_folder.walk import ImageFinder
from tuitrain.text import plain


def scan_labelled(folder: Path, labels: Labels, layout: LayoutName, stop: Callable[[], bool]) -> ImageFolder:
    """List the images that have a label in `labels`. The split of an image is that in `labels`, otherwise that of the
    split folder that contains it, otherwise training."""
    folders(folder)  # Raises if it is no folder.
    found = ImageFolder(folder)
    paths = list(ImageFinder([folder], found.skipped, stop).images(folder))
    if not paths:
        raise DataError(f"{plain(folder)} has no images.", "Set data.dir to the folder of images.")
    rows = _match(labels, paths, folder, found)
    labelled = {path: row for path, row in rows.items() if row.label is not None}
    source = plain(labels.source.name)
    found.notes.insert(0, f"labels of {len(labelled):,} images from {source}, column {labels.columns['label']}")
    if missing := len(paths) - len(labelled):
        found.notes.insert(1, f"{missing:,} images without a label in {source} are not used")
    if labels.source.is_relative_to(folder):
        found.skipped.discard(labels.source.suffix.lower())
    if found.skipped.suffixes:
        found.notes.append(f"skipped files that are not images: {found.skipped}")
    by_split = _by_split_and_class(labelled, folder, layout)
    found.classes = tuple(sorted(by_split["training"]))
    check_classes(found.classes, folder, found.notes)
    for split, by_class in by_split.items():
        if unknown := sorted(by_class.keys() - set(found.classes)):
            raise DataError(
                f"{source} has the class {plain(unknown[0], 60)} in the {split} split only.",
                "Add images of it to the training split, or remove its rows.",
            )
        found.splits[split] = [by_class.get(name, []) for name in found.classes]
    if len(by_split) > 1:
        found.sources = dict.fromkeys(by_split, source if "split" in labels.columns else "split folders")
    return found


def _by_split_and_class(rows: Mapping[str, Row], folder: Path, layout: LayoutName) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {"training": {}}
    for path, row in rows.items():
        split = row.split or (None if layout == "classes" else _split_folder(path, folder)) or "training"
        found.setdefault(split, {}).setdefault(unicodedata.normalize("NFC", str(row.label)), []).append(path)
    return found


def assign_groups_and_splits(found: ImageFolder, labels: Labels, folder: Path) -> None:
    """Move the images of class folders to the splits in `labels`, and put their groups into `found`."""
    rows = _match(labels, [path for split in found.splits.values() for some in split for path in some], folder, found)
    if "split" not in labels.columns:
        return
    moved: dict[str, list[list[str]]] = {"training": [[] for _ in found.classes]}
    for split, by_class in found.splits.items():
        for label, paths in enumerate(by_class):
            for path in paths:
                target = (rows[path].split if path in rows else None) or split
                moved.setdefault(target, [[] for _ in found.classes])[label].append(path)
    found.splits = moved
    found.sources = dict.fromkeys(moved, plain(labels.source.name))
    for name, paths in zip(found.classes, moved["training"], strict=True):
        if not paths:
            raise DataError(
                f"The class {plain(name)} has no training images.", "Change the splits in the file data.labels."
            )


def _match(labels: Labels, paths: list[str], folder: Path, found: ImageFolder) -> dict[str, Row]:
    """Return the row of each path in `paths` that has one, and put their groups into `found`."""
    relative = {os.path.relpath(path, folder): path for path in paths}
    rows = {relative[name]: row for name, row in labels.match(list(relative), found.notes).items()}
    found.groups = {path: row.group for path, row in rows.items() if row.group is not None}
    if found.groups:
        groups = len(set(found.groups.values()))
        note = f"each of {groups:,} groups stays in one split: {labels.source.name}, column {labels.columns['group']}"
        found.notes.append(plain(note))
    return rows


def _split_folder(path: str, folder: Path) -> str | None:
    top, _, rest = os.path.relpath(path, folder).partition(os.sep)
    return assigned_split(top) if rest else None
