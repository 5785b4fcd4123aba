"""A loaded data set, and the progress of loading it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import torch

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.training.data.depth import Range
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.data.splits import Split

Progress = Callable[[str, float | None], None]
"""Called with the current activity and the completed fraction, None if unknown."""


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

    @classmethod
    def standard(
        cls, name: str, normalization: Normalization, train: Split, validation: Split | None, test: Split
    ) -> Self:
        facts = DATASETS[name]
        return cls(name, facts.shape, facts.classes, train, validation, test, normalization)

    @property
    def mean(self) -> tuple[float, ...]:
        return self.normalization.mean

    @property
    def std(self) -> tuple[float, ...]:
        return self.normalization.std


class Ticker:
    """Counts up to `total`, None if unknown, and reports `describe(count)` at most four times per second."""

    def __init__(self, progress: Progress, total: int | None, describe: Callable[[int], str]) -> None:
        self._progress, self._total, self._describe = progress, total, describe
        self._done = 0
        self._reported = 0.0

    def update(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._reported >= 0.25 or self._done == self._total:
            self._reported = now
            self._progress(self._describe(self._done), self._done / self._total if self._total else None)


DatasetLoader = Callable[[Data, int, torch.device, Progress], Dataset]
