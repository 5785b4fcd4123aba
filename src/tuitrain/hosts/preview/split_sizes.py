"""Count the images of each split without loading torch."""

import time
from pathlib import Path

from msgspec import Struct

from tuitrain.config.datasets import (
    DATASETS,
    TEST_FRACTION,
    data_folder,
    held_out_counts,
)
from tuitrain.config.schema import Data
from tuitrain.errors import ConfigError
from tuitrain.image_folder.scan import scan
from tuitrain.text import plain

# Folders of torchvision's data sets in data.dir.
FOLDERS = {
    "mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw",
    "cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python",
}  # fmt: skip
MAX_FILES, MAX_SECONDS = 100_000, 5.0


class SplitSizes(Struct, frozen=True):
    """The number of images in each split, and their `shape` (C, H, W). `location` says where the data set is;
    `truncated` means that counting stopped at a limit; `samples` are paths of some images, and `notes` sentences about
    what was guessed or skipped."""

    train: int
    validation: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    location: str
    truncated: bool = False
    samples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
        raise ConfigError("image-folder needs the folder of your images.", "Set data.dir to it.", key="data.dir")
    limit = _Limit()
    found = scan(data_folder(data.dir), data.layout, limit.reached)
    counts = {split: [len(paths) for paths in by_class] for split, by_class in found.splits.items()}
    train, test = counts["training"], counts.get("test")
    validation = counts.get("validation") if data.validation else None
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
        classes=len(found.classes),
        location=f"found in {_abbreviate_home(found.root)}, {len(found.classes):,} classes",
        truncated=limit.truncated,
        samples=tuple(path for by_class in found.splits.values() for paths in by_class for path in paths[::10])[:64],
        notes=tuple(found.notes),
    )


class _Limit:
    """Stop counting after `MAX_FILES` files or `MAX_SECONDS`."""

    def __init__(self) -> None:
        self._files, self._deadline = 0, time.monotonic() + MAX_SECONDS
        self.truncated = False

    def reached(self) -> bool:
        self._files += 1
        self.truncated = self.truncated or self._files > MAX_FILES or time.monotonic() > self._deadline
        return self.truncated
