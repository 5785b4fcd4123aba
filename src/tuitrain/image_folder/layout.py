"""Find the classes and splits of an image folder, as people lay them out."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tuitrain.errors import DataError
from tuitrain.image_folder.names import canonical, is_litter, split_of
from tuitrain.image_folder.walk import IMAGE_SUFFIXES
from tuitrain.text import plain

LayoutName = Literal["auto", "classes", "splits"]
HINT = (
    "Put one folder per class into data.dir, or into train/ and, optionally, val/ and test/; or set data.labels to a"
    " CSV file with the labels."
)
# Entries of a folder that are looked at to find out whether it holds runs.
LOOKED_AT = 100
SETTING = "Set data.layout to classes if each folder is a class, or to splits if each is a split."


class Layout(Struct, frozen=True):
    """`splits` maps a split to its folder, which holds the class folders; it always has training. `notes` are sentences
    about what was skipped or guessed."""

    root: Path
    splits: dict[str, Path]
    notes: tuple[str, ...] = ()


def find_layout(folder: Path, layout: LayoutName = "auto") -> Layout:
    """Return where the class folders of each split are. Raise DataError if the layout is ambiguous."""
    root = _unwrap(folder)
    notes: tuple[str, ...] = ()
    if root != folder:
        notes = (f"read from {plain(root.relative_to(folder))}/, the only folder in data.dir",)
    names = folders(root)
    if not names:
        raise _no_class_folders(root)
    splits = {name: split for name in names if (split := split_of(name)) and _holds_classes(root / name)}
    if layout == "splits" or (layout == "auto" and splits):
        found, unused = _assign(root, splits)
        others = [name for name in names if name not in splits]
        if layout == "auto":
            _refuse_classes_beside_splits(root, others, splits)
        unused += [f"{plain(name)}/ is not used{_why(root / name)}" for name in others]
        return Layout(root, found, (*notes, *unused))
    if layout == "auto":
        _refuse_splits_as_classes(root, names)
        _refuse_equal_folders(root, names)
        notes += tuple(f"{plain(name)}/ is a class, not the training split" for name in names if split_of(name))
    return Layout(root, {"training": root}, notes)


def folders(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, sorted, without litter and folders of runs. Raise DataError if it is
    no folder."""
    try:
        found = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not is_litter(entry.name))
    except FileNotFoundError:
        raise DataError(f"There is no folder {plain(folder)}.", "Set data.dir to the folder of images.") from None
    except NotADirectoryError:
        raise DataError(f"{plain(folder)} is not a folder.", "Set data.dir to the folder of images.") from None
    return [name for name in found if not _holds_runs(folder / name)]


def _unwrap(folder: Path) -> Path:
    """Return the folder that holds all data: archives wrap it in folders with nothing beside them."""
    while len(names := folders(folder)) == 1 and not any(_images(folder)):
        if split_of(names[0]) or not folders(folder / names[0]):
            break
        folder /= names[0]
    return folder


def _assign(root: Path, names: dict[str, str]) -> tuple[dict[str, Path], list[str]]:
    """Return the folder of each split, and notes about what was guessed."""
    splits: dict[str, Path] = {}
    notes = []
    # "eval" is the test split, unless there is another one.
    for name, word in sorted(names.items(), key=lambda item: item[1] == "eval"):
        split = "test" if word == "eval" else word
        if word == "eval":
            split = "validation" if "test" in splits else "test"
            notes.append(f"{plain(name)}/ is used as the {split} split")
        if split in splits:
            raise DataError(
                f"{plain(root)} has two folders of the {split} split: {plain(splits[split].name)}/ and {plain(name)}/.",
                "Move or rename one of them.",
            )
        splits[split] = root / name
    if "training" not in splits:
        others = "".join(f"{plain(name)}/ but " for name in list(names)[:1])
        hint = "Move the class folders of the training images into train/, or set data.layout to classes."
        raise DataError(f"{plain(root)} has {others}no train/.", hint)
    return {split: _unwrap_split(folder) for split, folder in splits.items()}, notes


def _unwrap_split(folder: Path) -> Path:
    """Return the folder with the classes: `seg_train/seg_train/` repeats the name, and archives add one."""
    names = folders(folder)
    return _unwrap_split(folder / names[0]) if len(names) == 1 and _holds_classes(folder / names[0]) else folder


def _holds_classes(folder: Path) -> bool:
    return bool(folders(folder)) and not any(_images(folder))


def _images(folder: Path) -> Iterator[str]:
    """Yield the names of the images that lie directly in the folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and not is_litter(entry.name):  # noqa: PTH122
                yield entry.name


def _count_images(folder: Path) -> int:
    return sum(1 for _ in _images(folder))


def _holds_runs(folder: Path) -> bool:
    """Return whether the folder is a run or a runs folder of this program."""
    with os.scandir(folder) as entries:
        return (folder / "run.json").exists() or any(
            Path(entry, "run.json").exists()
            for entry in islice(entries, LOOKED_AT)
            if os.path.isdir(entry)  # noqa: PTH112 (entry.is_dir() raises OSError for a link in a circle)
        )


def _why(folder: Path) -> str:
    if count := _count_images(folder):
        return f": its {count:,} images have no labels, because it has no class folders"
    return "" if folders(folder) else ": it has no class folders"


def _no_class_folders(root: Path) -> DataError:
    if count := _count_images(root):
        tables = sorted(path for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
        hint = f"If {plain(tables[0].name, 60)} has the labels, set data.labels to it." if tables else HINT
        return DataError(f"{plain(root)} has {count:,} images but no class folders: they have no labels.", hint)
    return DataError(f"The folder {plain(root)} of data.dir has no class folders.", HINT)


def _refuse_classes_beside_splits(root: Path, others: list[str], splits: dict[str, str]) -> None:
    """A class may be called train, and have folders of its own."""
    for name in others:
        if split_of(name) is None and any(_images(root / name)):
            first = plain(next(iter(splits)))
            raise DataError(
                f"{first}/ in {plain(root)} looks like a split, but {plain(name)}/ beside it looks like a class.",
                SETTING,
            )


def _refuse_splits_as_classes(root: Path, names: list[str]) -> None:
    """Training would learn to tell the test images from the training images."""
    named = [name for name in names if split_of(name)]
    if len({split_of(name) for name in named}) > 1:
        found = f"{plain(named[0])}/ and {plain(named[1])}/"
        raise DataError(f"{found} in {plain(root)} look like splits, but hold no class folders.", SETTING)
    for name in named:
        # A class may be called train, for example of vehicles, but hardly test.
        if split_of(name) != "training":
            raise DataError(
                f"{plain(name)}/ in {plain(root)} looks like a split, but has no class folders; the folders beside it"
                " look like classes.",
                f"Move it away if its images have no labels. {SETTING}",
            )
    for name in names:
        if any(split_of(inner) for inner in folders(root / name)):
            raise DataError(
                f"{plain(name)}/ in {plain(root)} contains split folders.",
                f"Set data.dir to {plain(root / name)} if these are the splits, otherwise data.layout to classes.",
            )


def _refuse_equal_folders(root: Path, names: list[str]) -> None:
    """Raise DataError if all folders hold the same folders: they may be splits with other names, parts of a data set,
    or classes with equal subfolders."""
    inner = [set(map(canonical, folders(root / name))) for name in names]
    if (
        len(names) > 1
        and len(shared := set.intersection(*inner)) > 1
        and not any(any(_images(root / n)) for n in names)
    ):
        listed = ", ".join(plain(name, 30) for name in sorted(shared)[:3])
        raise DataError(
            f"All folders in {plain(root)}, such as {plain(names[0])}/ and {plain(names[1])}/, hold the same folders"
            f" ({listed}): they may be splits or classes.",
            "Rename splits to train, val and test, or set data.layout to classes.",
        )
