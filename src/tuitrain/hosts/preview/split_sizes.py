"""Count the images of each split without loading torch."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from msgspec import Struct

from tuitrain.config.data.datasets import DATASETS, TEST_FRACTION, data_folder, found_in, held_out_counts, part_counts
from tuitrain.config.data.folds import Fold
from tuitrain.config.data.image_size import sized
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS, reads_files
from tuitrain.config.data.schema import Data
from tuitrain.config.networks import DEFAULT_SIZE
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.text import plain

MAX_FILES, MAX_SECONDS = 100_000, 5.0
# Images whose headers are read for the color mode, 25 microseconds each: a few with colors must not be missed.
MAX_SAMPLES = 2000


class SplitSizes(Struct, frozen=True):
    """The number of images in each split, and their `shape` (C, H, W).

    `location` says where the data set is, and `sources` is that of `FolderSplits`. `truncated` means that counting
    stopped at a limit. `per_class` has the name and the number of training images of each class; it is empty for
    built-in data sets, whose classes have about the same size. `samples` are paths of some images, and `notes` are
    sentences about guesses and skipped files.
    """

    train: int
    validation: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    location: str
    truncated: bool = False
    per_class: tuple[tuple[str, int], ...] = ()
    sources: dict[str, str] = {}
    samples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def split_sizes(data: Data, seed: int = 0) -> SplitSizes:
    """Count the images that `data` and `training.seed` would give each split. Raise DataError if the folder is missing
    or cannot be split."""
    if data.dataset in PHOTO_DATASETS and not found_in(data.dir, PHOTO_DATASETS[data.dataset].folder):
        return _not_downloaded(data)
    if reads_files(data.dataset):
        return _image_folder(data, seed)
    info = DATASETS[data.dataset]
    classes = len(info.classes)
    counts = [len(range(label, info.train, classes)) for label in range(classes)]
    held_out = (
        held_out_counts(counts, data.validation) if data.fold is None else _in_fold(counts, Fold.parse(data.fold))
    )
    kept = [count - held for count, held in zip(counts, held_out, strict=True)]
    train = sum(part_counts(kept, data.fraction))
    location = "built in" if data.dataset == "digits" else _location(data)
    shape = sized(info.shape, 0 if data.image_size == "auto" else data.image_size)
    return SplitSizes(train, sum(held_out), info.test, shape, classes, location)


def _in_fold(counts: Sequence[int], fold: Fold) -> list[int]:
    """Return the number of images of each class in a fold if the folds get the images in turn."""
    ends = list(accumulate(counts, initial=0))
    before = [(end + fold.total - fold.number) // fold.total for end in ends]
    return [after - first for first, after in pairwise(before)]


def _not_downloaded(data: Data) -> SplitSizes:
    """Return the known facts about a data set of photos before its download."""
    info, size = PHOTO_DATASETS[data.dataset], data.image_size if data.image_size != "auto" else DEFAULT_SIZE
    train, validation, test = info.images
    if not test:
        test = math.ceil(TEST_FRACTION * train)
        train -= test
    if not validation:
        validation = math.ceil(data.validation * train)
        train -= validation
    shape = (1 if data.channels == "grey" else 3, size, size)
    return SplitSizes(train, validation if data.validation else 0, test, shape, info.classes, _location(data))


def _location(data: Data) -> str:
    if found := _place(data):
        return f"found in {_abbreviate_home(found)}"
    folder = _abbreviate_home(data_folder(data.dir))
    info = PHOTO_DATASETS.get(data.dataset) or DATASETS[data.dataset]
    # In this order, because the form cuts the end off.
    return f"download: {info.download or '?'}, licence: {info.licence or 'none stated'}, see {info.page}, to {folder}"


def is_on_disk(data: Data) -> bool:
    """Return whether a named data set other than digits is on the disk."""
    return _place(data) is not None


def _place(data: Data) -> Path | None:
    photos, arrays = PHOTO_DATASETS.get(data.dataset), DATASETS.get(data.dataset)
    place = photos.folder if photos else arrays.place if arrays else ""
    return found_in(data.dir, place) if place else None


def _abbreviate_home(path: Path) -> str:
    home = Path.home()
    return plain(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else path)


def _image_folder(data: Data, seed: int) -> SplitSizes:
    limit, size = _Limit(), DEFAULT_SIZE if data.image_size == "auto" else data.image_size
    found = FolderSplits.scan(data, seed, stop=limit.reached)
    counts = {split: len(files.paths) for split, files in found.splits.items()}
    paths = [path for files in found.splits.values() for path in files.paths]
    return SplitSizes(
        train=counts["training"],
        validation=counts.get("validation", 0),
        test=counts["test"],
        shape=(1 if data.channels == "grey" else 3, size, size),
        classes=len(found.classes),
        location=f"found in {_abbreviate_home(found.root)}, {len(found.classes):,} classes",
        truncated=limit.truncated,
        per_class=_per_class(found),
        sources=found.sources,
        samples=tuple(paths[:: -(-len(paths) // MAX_SAMPLES)]),
        notes=found.notes,
    )


def _per_class(found: FolderSplits) -> tuple[tuple[str, int], ...]:
    counts = Counter(found.splits["training"].labels)
    return tuple((plain(name, 40), counts[label]) for label, name in enumerate(found.classes))


class _Limit:
    """Stop counting after `MAX_FILES` files or `MAX_SECONDS`."""

    def __init__(self) -> None:
        self._files, self._deadline = 0, time.monotonic() + MAX_SECONDS
        self.truncated = False

    def reached(self) -> bool:
        self._files += 1
        self.truncated = self.truncated or self._files > MAX_FILES or time.monotonic() > self._deadline
        return self.truncated
