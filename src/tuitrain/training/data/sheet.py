"""Augment some training images as training does, to show them before a run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor

from tuitrain.config.code import is_spec
from tuitrain.config.data.photo_datasets import reads_files
from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.errors import DataError
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.training.data import image_folder
from tuitrain.training.data.augment import Transform, augmentations
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.decoding.decode import ImageError
from tuitrain.training.data.decoding.whole_photos import PhotoCrop, aspects, crops_photos, training_reader
from tuitrain.training.data.load import load
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.data.pictures import pictures
from tuitrain.training.data.transforms.mixing import mixing

# The largest side of the pictures in pixels.
_LARGEST = 64
_CPU = torch.device("cpu")


@dataclass
class Sample:
    """An image and its class: `original` and `variants` are pictures (H, W, C) uint8, as evaluations and as training
    see it."""

    label: str
    original: Tensor
    variants: list[Tensor]


class _Images(NamedTuple):
    """Some training images (n, C, H, W) uint8 as evaluations see them, and as a function that returns those that
    training sees."""

    originals: Tensor
    drawn: Callable[[], Tensor]
    labels: Tensor
    classes: tuple[str, ...]
    in_unit_range: Transform


def samples(config: Config, draw: int, count: int, variants: int) -> list[Sample]:
    """Return up to `count` random training images, of different classes if possible, with `variants` each; another
    `draw` gives others. A user's transform is not applied. Raises DataError."""
    data, seed = config.data, config.training.seed
    torch.manual_seed(draw)
    chosen = _of_folder(data, seed, draw, count) if reads_files(data.dataset) else _of_set(data, seed, draw, count)
    transforms, mix = augmentations(data, chosen.in_unit_range), mixing(data, len(chosen.classes))
    varied = []
    for _ in range(variants):
        images = chosen.drawn()
        for transform in transforms:
            images = transform(images)
        images = chosen.in_unit_range(images)
        varied.append(pictures(mix(images, chosen.labels)[0] if mix else images, _LARGEST))
    originals = pictures(chosen.in_unit_range(chosen.originals), _LARGEST)
    return [
        Sample(chosen.classes[label], original, [pictures[row] for pictures in varied])
        for row, (label, original) in enumerate(zip(chosen.labels.tolist(), originals, strict=True))
    ]


def _of_set(data: Data, seed: int, draw: int, count: int) -> _Images:
    # The file of the user's data set may have changed.
    dataset = load(data, seed, _CPU) if is_spec(data.dataset) else _loaded(replace(data, augment=()), seed)
    rows = list(_different(dataset.train.labels.tolist(), draw))[:count]
    ((images, labels),) = dataset.train.batches(torch.tensor(rows), count)
    return _Images(images, lambda: images, labels, dataset.classes, dataset.normalization.in_unit_range)


@lru_cache(maxsize=1)
def _loaded(data: Data, seed: int) -> Dataset:
    return load(data, seed, _CPU)


def _of_folder(data: Data, seed: int, draw: int, count: int) -> _Images:
    folder = _scanned(replace(data, augment=()), seed)
    read = image_folder.image_reader(data, folder)
    read_training, files = training_reader(data, read), folder.splits["training"]
    rows, originals, photos = [], [], []
    for row in _different(files.labels, draw):
        try:
            image, photo = read(files.paths[row]), read_training(files.paths[row])
        except ImageError:
            continue
        rows.append(row)
        originals.append(image)
        photos.append(photo)
        if len(rows) == count:
            break
    if not rows:
        raise DataError("None of the training images could be read.", "Check the files in data.dir.")
    stacked, labels = torch.stack(photos), torch.tensor([files.labels[row] for row in rows])
    widths = aspects([files.paths[row] for row in rows])
    crop = PhotoCrop(widths, read.size, data.crop_scale) if crops_photos(data) else None
    numbers = torch.arange(len(rows))
    in_unit_range = Normalization.none(read.shape[0]).in_unit_range
    drawn = (lambda: crop(stacked, numbers)) if crop else (lambda: stacked)
    return _Images(torch.stack(originals), drawn, labels, folder.classes, in_unit_range)


@lru_cache(maxsize=1)
def _scanned(data: Data, seed: int) -> FolderSplits:
    return FolderSplits.scan(data, seed)


def _different(labels: list[int], draw: int) -> Iterator[int]:
    """Yield all rows in random order, first one of each class."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(draw)).tolist()
    seen: set[int] = set()
    repeated = []
    for row in order:
        if labels[row] in seen:
            repeated.append(row)
        else:
            seen.add(labels[row])
            yield row
    yield from repeated
