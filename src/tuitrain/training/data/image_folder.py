"""Load an image folder as a data set, in memory, from a cache file or streamed from disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import torch

from tuitrain.config.data.datasets import data_folder
from tuitrain.config.data.schema import Data
from tuitrain.image_folder.contents import conflicts, digests, leaks
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.runs.records import RunInfo, WeightsInfo
from tuitrain.text import counted, listed, plain
from tuitrain.training.data.dataset import Dataset, Progress, Request, Ticker, absent_class_notes
from tuitrain.training.data.decoding import decode
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.decoding.depth import Range
from tuitrain.training.data.decoding.resize import Interpolation
from tuitrain.training.data.decoding.value_ranges import ValueRanges, recorded_ranges
from tuitrain.training.data.decoding.whole_photos import PhotoCrop, aspects, crops_photos, training_reader
from tuitrain.training.data.folder_reader import FolderReader
from tuitrain.training.data.pixel_cache import CachedSplit
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit
from tuitrain.training.data.storage import read_splits

# Names listed in a note.
_NAMED = 5


def load(request: Request) -> Dataset:
    """Load the image folder `data.dir`. Raises DataError."""
    config, before, progress = request.config, request.before, request.progress
    progress("looking for images", None)
    folder = FolderSplits.scan(config, request.seed, lambda paths: _identify(paths, progress))
    if before:
        folder = folder.with_classes(before.classes)
    reader = _folder_reader(request, folder)
    read = reader.read
    splits, kept = read_splits(config, folder.root, reader, request.device, progress)
    if crops_photos(config) and reader.reads_training:
        _crop_photos(splits["training"], request.device, read.size, config.crop_scale)
    return Dataset(
        name=config.dataset,
        shape=read.shape,
        classes=tuple(plain(name) for name in folder.classes),
        train=splits["training"],
        validation=splits.get("validation"),
        test=splits["test"],
        normalization=reader.normalization,
        folder=str(data_folder(config.dir)),
        sources=folder.sources,
        notes=(*_notes(config, folder, reader, splits), *read.ranges.notes(), *reader.notes),
        value_ranges=dict(read.ranges.found),
        kept=kept,
    )


def _folder_reader(request: Request, folder: FolderSplits) -> FolderReader:
    config, before, only = request.config, request.before, request.only
    read = image_reader(config, folder, before, request.weights)
    # The record of a trained run has the normalization, so its evaluation needs no training image.
    needed = [only] if only and before else list(folder.splits)
    total = sum(len(files.paths) for name, files in folder.splits.items() if name in needed)
    ticker = Ticker(request.progress, total, lambda done: f"reading: {done:,} of {total:,} images", "images")
    known = request.normalization(read.shape[0])
    photos = training_reader(config, read)
    return FolderReader(folder, read, request.device, ticker, known, before is not None, needed, photos)


def _crop_photos(split: Split, device: torch.device, size: int, scale: float) -> None:
    """Let the split take random crops of its whole photos."""
    assert isinstance(split, MemorySplit | CachedSplit | StreamedSplit)
    split.crop = PhotoCrop(aspects(split.files).to(device), size, scale)


def image_reader(
    config: Data, folder: FolderSplits, before: RunInfo | None = None, weights: WeightsInfo | None = None
) -> ImageReader:
    """Return a reader of the images in a folder that crops and resizes them as `weights` expect."""
    mode = ("L" if before.shape[0] == 1 else "RGB") if before else _mode(config.channels, folder.paths)
    fixed = Range(*config.value_range) if config.value_range else None
    known = recorded_ranges(before) if before else None
    ranges = ValueRanges(known, folder.splits["training"].paths, folder.paths, fixed)
    assert isinstance(config.image_size, int)
    return reader_for(config, ImageReader(config.image_size, mode, ranges), weights)


def reader_for(config: Data, read: ImageReader, weights: WeightsInfo | None) -> ImageReader:
    """Return `read` with the way of resizing that the settings choose and `weights` expect."""
    read = replace(read, resize=config.resize)
    if weights is None:
        return read
    method = next((name for name in get_args(Interpolation) if name == weights.interpolation), read.interpolation)
    return replace(read, crop_fraction=min(max(weights.crop, 0.1), 1.0), interpolation=method)


def _identify(paths: Sequence[str], progress: Progress) -> Mapping[str, bytes]:
    ticker = Ticker(progress, len(paths), lambda done: f"identifying: {done:,} of {len(paths):,} images")
    return digests(paths, ticker.update)


def _mode(channels: str, paths: list[str]) -> str:
    """Return RGB if any image has colors, otherwise L."""
    if channels != "auto":
        return "L" if channels == "grey" else "RGB"
    return "RGB" if any(decode.is_grayscale(path) is False for path in paths) else "L"


def _notes(config: Data, folder: FolderSplits, reader: FolderReader, splits: Mapping[str, Split]) -> Iterator[str]:
    yield from folder.notes
    if config.channels == "auto" and reader.read.mode == "L":
        yield "all images are grayscale, so that they are read with one channel"
    if unreadable := reader.unreadable:
        images = counted(len(unreadable), "image")
        yield f"{images} could not be read: {listed(unreadable, _NAMED)}"
    yield from absent_class_notes(folder.classes, splits)
    training = splits["training"]
    yield from conflicts(training.files, training.labels.tolist(), folder.digests, folder.root)
    yield from leaks({name: split.files for name, split in splits.items()}, folder.digests, folder.root)
