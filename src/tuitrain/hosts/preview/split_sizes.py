"""Count the images of each split without loading torch."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from tuitrain.config.datasets import (
    DATASETS,
    IMAGE_EXTENSIONS,
    TEST_FRACTION,
    VALIDATION_FOLDERS,
    data_folder,
    held_out_counts,
)
from tuitrain.config.schema import Data
from tuitrain.errors import ConfigError, DataError
from tuitrain.text import plain

# Folders of torchvision's data sets in data.dir.
FOLDERS = {
    "mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw",
    "cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python",
}  # fmt: skip
MAX_FILES, MAX_SECONDS = 100_000, 5.0


class SplitSizes(Struct, frozen=True):
    """The number of images in each split, and their `shape` (C, H, W). `location` says where the data set is;
    `truncated` means that counting stopped at a limit; `samples` are paths of some images."""

    train: int
    validation: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    location: str
    truncated: bool = False
    samples: tuple[str, ...] = ()


def split_sizes(data: Data) -> SplitSizes:
    """Count the images that `data` would give each split. Raise ConfigError or DataError if the folder is missing."""
    if data.dataset == "image-folder":
        return _image_folder(data)
    info = DATASETS[data.dataset]
    classes = len(info.classes)
    counts = [len(range(label, info.train, classes)) for label in range(classes)]
    validation = sum(held_out_counts(counts, data.validation))
    location = "built in" if data.dataset == "digits" else _location(data)
    return SplitSizes(info.train - validation, validation, info.test, info.shape, classes, location)


def _location(data: Data) -> str:
    root = data_folder(data.dir)
    try:
        found = any((root / FOLDERS[data.dataset]).iterdir())
    except OSError:
        found = False
    return f"found in {_abbreviate_home(root)}" if found else f"will be downloaded to {_abbreviate_home(root)}"


def _abbreviate_home(path: Path) -> str:
    home = Path.home()
    return plain(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else path)


def _image_folder(data: Data) -> SplitSizes:
    if data.dir is None:
        raise ConfigError("image-folder needs the folder of your images.", key="data.dir")
    root = data_folder(data.dir)
    names = _folders(root)
    has_splits = "train" in names and bool(_folders(root / "train"))
    counter = _ImageCounter(time.monotonic() + MAX_SECONDS)
    train = counter.count_classes(root / "train" if has_splits else root)
    if len(train) < 2:
        raise DataError(f"{_abbreviate_home(root)} must contain a folder of images for each class.")
    test = counter.count_classes(root / "test") if has_splits and "test" in names else None
    validation_name = next((name for name in VALIDATION_FOLDERS if has_splits and name in names), None)
    validation = counter.count_classes(root / validation_name) if validation_name and data.validation else None
    if test is None:
        test = held_out_counts(train, TEST_FRACTION)
        train = [total - held for total, held in zip(train, test, strict=True)]
    if validation is None:
        validation = held_out_counts(train, data.validation)
        train = [total - held for total, held in zip(train, validation, strict=True)]
    return SplitSizes(
        train=sum(train),
        validation=sum(validation),
        test=sum(test),
        shape=(1 if data.channels == "grey" else 3, data.image_size, data.image_size),
        classes=len(train),
        location=f"found in {_abbreviate_home(root)}, {len(train):,} classes",
        truncated=counter.truncated,
        samples=tuple(counter.paths[::10][:64]),
    )


def _folders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{plain(error.strerror)}: {_abbreviate_home(root)}.") from None


class _ImageCounter:
    """Counts images up to `MAX_FILES` of them, or up to the time `deadline`."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.truncated = deadline, False
        self.paths: list[str] = []

    def count_classes(self, root: Path) -> list[int]:
        return [sum(1 for _ in self._images(root / name)) for name in _folders(root)]

    def _images(self, folder: Path) -> Iterator[str]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if len(self.paths) >= MAX_FILES or time.monotonic() > self.deadline:
                    self.truncated = True
                    return
                if name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith("."):
                    self.paths.append(f"{parent}/{name}")
                    yield name
