"""Load the user's own data set from a function in a Python file.

The function gets the arguments that it asks for, `dir` and `seed`, and returns a mapping: `train`, optionally
`validation` and `test`, each a torch Dataset of (image, label) or a pair of images and labels, and `classes`, the names
of the classes.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from msgspec.structs import replace

from tuitrain.config.code import DATASET, described, hint
from tuitrain.config.data.datasets import TEST_FRACTION, data_folder
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain
from tuitrain.training.data.dataset import Dataset, Request, Ticker, absent_class_notes
from tuitrain.training.data.normalize import (
    Normalization,
    Pixels,
    fingerprint,
    mean_and_deviation,
    pixel_sums,
)
from tuitrain.training.data.splits import MemorySplit, Split
from tuitrain.training.data.stratify import split_rows, stratified
from tuitrain.training.data.user.items import UserSplit
from tuitrain.training.data.user.stream import ItemSplit, read_labels
from tuitrain.training.device import fits_in_memory
from tuitrain.training.user_code import check_arguments, explained, load_function

_SPLITS = ("train", "validation", "test")
# All runs are tested on the same images, whatever their own seed.
_TEST_SEED = 0
# The number of streamed images from which mean and standard deviation are computed.
_MEASURED = 1000
_FORM = 'return {"train": …, "test": …, "classes": […]}'


def load(request: Request) -> Dataset:
    """Call the user's function and read its images. Raises DataError, which names the user's line."""
    config, seed, device, progress = request.config, request.seed, request.device, request.progress
    name = described(config.dataset)
    progress(f"calling {name}", None)
    found = call(config, seed)
    classes = class_names(found, name)
    splits = {split: UserSplit(found[split], f"{split} of {name}", len(classes)) for split in _SPLITS if split in found}
    total = sum(map(len, splits.values()))
    ticker = Ticker(progress, total, lambda done: f"reading: {done:,} of {total:,} images")
    if not _in_memory(splits, config, device):
        return _streamed(request, splits, classes, ticker)
    pixels = {split: items.read(ticker) for split, items in splits.items()}
    _check_equal_shapes(pixels, name)
    notes = _complete(pixels, config, seed)
    if not splits["train"].is_pair:
        notes.append("each image is read once; with data.storage = stream, __getitem__ is called for every batch")
    if before := request.before:
        _check_before(before, classes, tuple(pixels["train"].images.shape[1:]), name)
    normalization = _normalization(request, pixels["train"].images)
    built = {
        split: MemorySplit.of(images, device, fingerprint=fingerprint(images.checksum()))
        for split, images in pixels.items()
    }
    return _dataset(name, classes, pixels["train"].images, built, normalization, notes)


def _dataset(
    name: str,
    classes: tuple[str, ...],
    images: torch.Tensor,
    splits: Mapping[str, Split],
    normalization: Normalization,
    notes: Sequence[str],
) -> Dataset:
    """Return a data set whose images have the shape of `images` (N, C, H, W)."""
    channels, height, width = images.shape[1:]
    return Dataset(
        name=name,
        shape=(channels, height, width),
        classes=classes,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        normalization=normalization,
        notes=(*notes, *absent_class_notes(classes, splits)),
    )


def _in_memory(splits: Mapping[str, UserSplit], config: Data, device: torch.device) -> bool:
    """Return whether to keep the images in memory. Tensors are already there."""
    if config.storage != "auto" or all(items.is_pair for items in splits.values()):
        return config.storage != "stream" or splits["train"].is_pair
    image = splits["train"].item(0)[0]
    return fits_in_memory(sum(map(len, splits.values())) * image.nbytes, device)


def _streamed(request: Request, splits: Mapping[str, UserSplit], classes: tuple[str, ...], ticker: Ticker) -> Dataset:
    """Return splits that call the user's Dataset for every batch."""
    config, seed = request.config, request.seed
    labels = {split: read_labels(items, ticker) for split, items in splits.items()}
    # Rows in place of images, because only the rows are held out.
    rows = {split: Pixels(torch.arange(len(found)), found) for split, found in labels.items()}
    notes = _complete(rows, config, seed)

    def split(name: str) -> ItemSplit:
        source = name if name in splits else "train"
        return ItemSplit(splits[source], rows[name].images, labels[source], request.device, seed)

    built = {name: split(name) for name in rows}
    sample = built["train"].images(rows["train"].images[: min(len(rows["train"].images), _MEASURED)])
    name = described(config.dataset)
    if before := request.before:
        _check_before(before, classes, tuple(sample.shape[1:]), name)
    notes.append("the images are not kept: __getitem__ is called for every batch")
    return _dataset(name, classes, sample, built, _normalization(request, sample), notes)


@dataclass(frozen=True)
class Description:
    """A description of the user's data, without reading all images: `shape` (C, H, W) and the images of each split."""

    shape: tuple[int, int, int]
    classes: int
    counts: dict[str, int]


def describe(config: Data, seed: int) -> Description:
    """Call the user's function and read one image. Raises DataError."""
    found = call(config, seed)
    classes = len(class_names(found, described(config.dataset)))
    splits = {
        split: UserSplit(found[split], f"{split} of {described(config.dataset)}", classes)
        for split in _SPLITS
        if split in found
    }
    channels, height, width = splits["train"].item(0)[0].shape
    return Description((channels, height, width), classes, {split: len(items) for split, items in splits.items()})


def call(config: Data, seed: int) -> Mapping[str, Any]:
    """Return the mapping that the user's function returns. Raises DataError."""
    function, name = load_function(config.dataset, DATASET), described(config.dataset)
    given = {"dir": str(data_folder(config.dir)) if config.dir else None, "seed": seed}
    wanted = {key: value for key, value in given.items() if key in _parameters(function)}
    check_arguments(function, wanted, name)
    with explained(name, DataError):
        found = function(**wanted)
    if not isinstance(found, Mapping):
        raise DataError(f"{name} returned a {plain(type(found).__name__, 80)}, but must {_FORM}.", hint(DATASET))
    unknown = [key for key in found if key not in (*_SPLITS, "classes")]
    if unknown or "train" not in found:
        problem = f"the unknown key {plain(unknown[0], 40)}" if unknown else "no train"
        raise DataError(f"{name} returned {problem}, but must {_FORM}, and optionally validation.", hint(DATASET))
    return found


def _parameters(function: Callable[..., Any]) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        return []


def class_names(found: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the names of the classes: those that the function returns, or the attribute `classes` of its training
    split. Raises DataError."""
    given = found["classes"] if "classes" in found else getattr(found["train"], "classes", None)
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) < 2:
        raise DataError(
            f"{name} must return at least two class names as classes, not {plain(given, 80)}.", hint(DATASET)
        )
    names = tuple(plain(value, 200) for value in given)
    if twice := [value for value in names if names.count(value) > 1]:
        raise DataError(f"{name} returned the class {plain(twice[0], 60)} twice.", "Give each class its own name.")
    return names


def _check_equal_shapes(pixels: Mapping[str, Pixels], name: str) -> None:
    shapes = {split: (tuple(part.images.shape[1:]), part.images.dtype) for split, part in pixels.items()}
    for split, (shape, dtype) in shapes.items():
        if (shape, dtype) != shapes["train"]:
            raise DataError(
                f"The {split} images of {name} are {dtype} {shape}, and the training images are"
                f" {shapes['train'][1]} {shapes['train'][0]}.",
                "Return images of one size and type.",
            )


def _complete(pixels: dict[str, Pixels], config: Data, seed: int) -> list[str]:
    """Hold out the splits that the function did not return, in `pixels`; return notes."""
    notes = []
    if "test" not in pixels:
        pixels["train"], pixels["test"] = _held_out(pixels["train"], TEST_FRACTION, _TEST_SEED, "test")
        notes.append(f"{len(pixels['test'].labels):,} images are held out for the test: the function returns no test")
    if "validation" in pixels and (config.fold is not None or not config.validation):
        del pixels["validation"]
        reason = "data.validation = 0" if config.fold is None else f"data.fold = {config.fold}"
        notes.append(f"the validation images are not used, because {reason}")
    whole = pixels["train"]
    kept, held = split_rows(whole.labels, replace(config, validation=0.0) if "validation" in pixels else config, seed)
    if held is not None:
        pixels["validation"] = whole.at(_not_empty(held, whole, "validation"))
    if kept is not None:
        pixels["train"] = whole.at(kept)
    return notes


def _held_out(pixels: Pixels, fraction: float, seed: int, name: str) -> tuple[Pixels, Pixels]:
    kept, held = stratified(pixels.labels, fraction, seed)
    return pixels.at(kept), pixels.at(_not_empty(held, pixels, name))


def _not_empty(held: torch.Tensor, pixels: Pixels, name: str) -> torch.Tensor:
    """Return the rows `held`, (n,) int64. Raises DataError if there are none."""
    if not len(held):
        raise DataError(
            f"There are too few images, {len(pixels.labels)}, to hold some out for the {name} split.",
            "Add images, or return this split.",
        )
    return held


def _check_before(before: RunInfo, classes: tuple[str, ...], shape: tuple[int, ...], name: str) -> None:
    """Raise DataError unless the network of the run fits the data."""
    if tuple(before.classes) != classes or before.shape != shape:
        raise DataError(
            f"The run knows the classes {plain(', '.join(before.classes), 200)} and images {before.shape};"
            f" {name} returned {plain(', '.join(classes), 200)} and {shape}.",
            "Restore the data, or start a new run.",
        )


def _normalization(request: Request, images: torch.Tensor) -> Normalization:
    white = 1 if images.is_floating_point() else 255
    if known := request.normalization(images.shape[1], white):
        return known
    if not images.is_floating_point():
        return Normalization.of(images)
    mean, std = mean_and_deviation(pixel_sums(images), images[0, 0].numel())
    # As for bytes: a constant channel becomes 0, and a nearly constant one stays small.
    std = torch.where(std == 0, 1.0, std.clamp(min=1 / 255))
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()), white)
