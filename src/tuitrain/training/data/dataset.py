"""What a loaded data set is, and how loading tells how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tuitrain.training.data.splits import Split

Progress = Callable[[str, float | None], None]
"""Called with what is being done and the fraction done, None where that is not known."""


@dataclass(frozen=True)
class Dataset:
    """`mean` and `std` are per channel, of the training split with pixels in [0, 1]; 0 and 1 where not normalised.

    `validation` is None where nothing is held out; `notes` are sentences the user should see.
    """

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...] = ()


class Ticker:
    """Counts images of `total` and reports four times a second at most."""

    def __init__(self, progress: Progress, doing: str, total: int) -> None:
        self._progress, self._doing, self._total = progress, doing, total
        self._done = 0
        self._reported = 0.0

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._reported >= 0.25 or self._done == self._total:
            self._reported = now
            done = f"{self._doing}: {self._done:,} of {self._total:,} images"
            self._progress(done, self._done / self._total)
