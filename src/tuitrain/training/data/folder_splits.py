"""Find the files, classes and splits of an image folder."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tuitrain.config.datasets import IMAGE_EXTENSIONS, TEST_FRACTION, VALIDATION_FOLDERS
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.stratify import stratified

# The seed of the test split: all runs are tested on the same images, whatever their own seed.
_TEST_SEED = 0
_LAYOUT = (
    "An image-folder holds one folder of images for each class, or train/, and perhaps val/ and test/, with these."
)
_MORE = "Add images, or set data.validation to another fraction."


class Files(NamedTuple):
    """The files of a split; `labels` is (N,) int64 on the CPU."""

    paths: list[str]
    labels: Tensor

    def at(self, rows: Tensor) -> "Files":
        return Files([self.paths[row] for row in rows.tolist()], self.labels[rows])


@dataclass(frozen=True)
class ImageFolder:
    """The files of an image folder: `classes` are the sorted names of its class folders, and the keys of `splits` are
    training, test and, if images are held out for it, validation."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Files]

    @property
    def paths(self) -> list[str]:
        """All used files, sorted."""
        return sorted(path for files in self.splits.values() for path in files.paths)

    @classmethod
    def scan(cls, folder: str | None, fraction: float, seed: int) -> Self:
        """Return the image files of `folder`, with classes and splits. Raises DataError.

        Without a folder for the test split, a fifth of the images is held out, independent of `seed`; for validation,
        `fraction` of the training split, 0 for none.
        """
        if folder is None:
            raise DataError("An image-folder needs to know which folder.", "Set data.dir to it.")
        root = Path(folder).expanduser()
        names = _folders(root)
        if not names:
            raise DataError(f"The folder {plain(root)} of data.dir has no class folders.", _LAYOUT)
        has_splits = "train" in names and _folders(root / "train")
        if not has_splits and set(names) <= {"test", *VALIDATION_FOLDERS}:
            raise DataError(f"The folder {plain(root)} of data.dir has {names[0]}/ but no train/.", _LAYOUT)
        classes, files = _training_files(root / "train" if has_splits else root)
        splits = {"training": files}
        if has_splits and "test" in names:
            splits["test"] = _files(root / "test", classes)
        validation = [name for name in VALIDATION_FOLDERS if name in names]
        if has_splits and validation and fraction:
            splits["validation"] = _files(root / validation[0], classes)
        return cls(root, classes, _hold_out(splits, fraction, seed))


def _hold_out(splits: dict[str, Files], fraction: float, seed: int) -> dict[str, Files]:
    """Hold out images of the training split for the splits that have no folder."""
    train = splits["training"]
    if "test" not in splits:
        train, splits["test"] = _part(train, TEST_FRACTION, _TEST_SEED, "test")
    if fraction and "validation" not in splits:
        train, splits["validation"] = _part(train, fraction, seed, "validation")
    return {**splits, "training": train}


def _part(files: Files, fraction: float, seed: int, name: str) -> tuple[Files, Files]:
    kept, held = stratified(files.labels, fraction, seed)
    if not len(held):
        raise DataError(f"There are too few images, {len(files.paths)}, to hold some out for the {name} split.", _MORE)
    return files.at(kept), files.at(held)


def _training_files(folder: Path) -> tuple[tuple[str, ...], Files]:
    """Return the classes, which are the folders of the training split, and its files."""
    classes = tuple(_folders(folder))
    if len(classes) < 2:
        raise DataError(f"{plain(folder)} has one class only, {plain(classes[0])}.", "There is nothing to tell apart.")
    files = _files(folder, classes)
    absent = absent_classes(classes, files.labels)
    if absent:
        hint = f"Add images ({' '.join(IMAGE_EXTENSIONS)}) or remove the folder."
        raise DataError(f"The class {plain(absent[0])} in {plain(folder)} has no images.", hint)
    return classes, files


def absent_classes(classes: Sequence[str], labels: Tensor) -> list[str]:
    """Return the classes that no image with one of the `labels`, (N,) int64 on the CPU, belongs to."""
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return [name for name, count in zip(classes, counts, strict=True) if not count]


def _files(folder: Path, classes: tuple[str, ...]) -> Files:
    unknown = [name for name in _folders(folder) if name not in classes]
    if unknown:
        raise DataError(
            f"{plain(folder)} has the class {plain(unknown[0])}, which the training split has not.",
            "Remove it, or add images of it to train/.",
        )
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _images(folder / name)
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise DataError(f"{plain(folder)} has no images.", _LAYOUT)
    return Files(paths, torch.tensor(labels))


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except FileNotFoundError:
        raise DataError(f"There is no folder {plain(folder)}.", "Set data.dir to the folder of images.") from None
    except NotADirectoryError:
        raise DataError(f"{plain(folder)} is not a folder.", "Set data.dir to the folder of images.") from None
    except OSError as error:
        raise _unreadable(error) from error


def _images(folder: Path) -> list[str]:
    """Return the paths of all images below `folder`, in the same order on every machine; follow links to folders."""
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        place = Path(root).stat()
        if (place.st_dev, place.st_ino) in seen:
            # A link to a folder that the walk has visited.
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = sorted(_visible(folders))
        images = sorted(name for name in _visible(files) if name.lower().endswith(IMAGE_EXTENSIONS))
        paths = [os.path.join(root, name) for name in images]  # noqa: PTH118 (a million Path objects are slow)
        # Skip pipes, which would block forever. Keep broken links: they count as unreadable images.
        found += (path for path in paths if os.path.isfile(path) or os.path.islink(path))  # noqa: PTH113, PTH114
    return found


def _visible(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if not name.startswith("."))


def _raise(error: OSError) -> None:
    # A split may lack the folder of a class.
    if not isinstance(error, FileNotFoundError):
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(f"The folder {plain(error.filename)} cannot be read: {plain(error.strerror)}.", "Set data.dir.")
