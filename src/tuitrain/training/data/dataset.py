"""A loaded data set, and the progress of loading it."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.image_size import sized
from tuitrain.config.data.schema import Data
from tuitrain.runs.records import RunInfo, WeightsInfo
from tuitrain.text import listed, plain, size
from tuitrain.training.data.decoding.depth import Range
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.data.splits import Split

Progress = Callable[[str, float | None], None]
"""Called with the current activity and the completed fraction, None if unknown."""


@dataclass(frozen=True)
class Request:
    """Which data set to load, for which run: the arguments of `load.load`."""

    config: Data
    seed: int
    device: torch.device
    progress: Progress
    before: RunInfo | None = None
    weights: WeightsInfo | None = None
    only: str | None = None

    def normalization(self, channels: int, white: int = 255) -> Normalization | None:
        """Return the normalization of images with `channels` channels; None if their pixels determine it."""
        if not self.config.normalize:
            return Normalization.none(channels, white)
        return Normalization.known(self.before, self.weights, channels, white)


@dataclass(frozen=True)
class Dataset:
    """A loaded data set. `validation` is None if no images are held out. `notes` are sentences for the user. `folder`
    contains the files of the splits, if they have any, and `sources` is that of `FolderSplits`. `value_ranges` are the
    ranges of images with more than 8 bits."""

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split
    normalization: Normalization
    notes: tuple[str, ...] = ()
    folder: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    value_ranges: dict[str, Range] = field(default_factory=dict)
    # Where the pixels are, for the log.
    kept: str = ""

    @classmethod
    def standard(
        cls, config: Data, normalization: Normalization, train: Split, validation: Split | None, test: Split
    ) -> Self:
        """Return a built-in data set. Its splits have images of the original size, which each batch is resized from."""
        facts = DATASETS[config.dataset]
        images = sum(len(split) for split in (train, validation, test) if split is not None)
        kept = in_memory(images * math.prod(facts.shape))
        shape = sized(facts.shape, 0 if config.image_size == "auto" else config.image_size)
        return cls(config.dataset, shape, facts.classes, train, validation, test, normalization, kept=kept)

    @property
    def mean(self) -> tuple[float, ...]:
        return self.normalization.mean

    @property
    def std(self) -> tuple[float, ...]:
        return self.normalization.std


def absent_classes(classes: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Return the classes that no image with one of the `labels` belongs to."""
    present = set(labels)
    return [name for index, name in enumerate(classes) if index not in present]


def absent_class_notes(classes: Sequence[str], splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield a sentence about each split that lacks images of a class, such as the training split of a fold that takes
    all of them."""
    for name, split in splits.items():
        if absent := [plain(label, 40) for label in absent_classes(classes, split.labels.tolist())]:
            yield f"classes without {'training' if name == 'train' else name} images: {listed(absent)}"


def in_memory(amount: int) -> str:
    return f"kept in memory as uint8: {size(amount)}"


class Ticker:
    """Counts up to `total`, None if unknown, and reports `describe(count)` at most four times per second. If `unit`
    names what it counts, it also reports their number per second and the time left."""

    def __init__(self, progress: Progress, total: int | None, describe: Callable[[int], str], unit: str = "") -> None:
        self._progress, self._total, self._describe, self._unit = progress, total, describe, unit
        self._done = 0
        self._reported = 0.0
        self._started = time.monotonic()

    def update(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._reported >= 0.25 or self._done == self._total:
            self._reported = now
            text = self._describe(self._done) + self._pace(now - self._started)
            self._progress(text, self._done / self._total if self._total else None)

    def _pace(self, seconds: float) -> str:
        """Return ` · 310 images/s · 12 s left`; "" at the end and in the first second, when the speed is uncertain."""
        if not self._unit or not self._total or seconds < 1 or self._done >= self._total:
            return ""
        rate = self._done / seconds
        left = (self._total - self._done) / rate
        return f" · {rate:,.0f} {self._unit}/s · {f'{left:.0f} s' if left < 120 else f'{left / 60:.0f} min'} left"


DatasetLoader = Callable[[Data, int, torch.device, Progress], Dataset]
