"""Recognize loss, accuracy and epoch among the metrics of a script, and keep their latest and best values."""

from collections.abc import Mapping
from math import isfinite

from msgspec.structs import replace

from tuitrain.runs.external.tags import Place, place
from tuitrain.runs.scripts.records import Measured


class Scores:
    """The scores of a run; for `declared` see `Script.metrics`."""

    def __init__(self, declared: Mapping[str, str]) -> None:
        self._declared = declared
        self._places: dict[str, Place | None] = {}
        # The lowest rank so far by split and column: of several metrics for a column, one wins.
        self._ranks: dict[tuple[str, str], int] = {}
        self._latest: dict[str, Measured] = {}
        # The splits whose accuracy is a percentage: one of its values was above 1.
        self._percentages: set[str] = set()
        self.epoch = 0
        self._first_epoch: float | None = None

    @property
    def measured(self) -> dict[str, Measured]:
        """The latest scores by split, and those of the best epoch; accuracies are fractions."""
        return {
            split: replace(found, accuracy=found.accuracy / 100)
            if found.accuracy is not None and ("validation" if split == "best" else split) in self._percentages
            else found
            for split, found in self._latest.items()
        }

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name in values:
            if name not in self._places:
                self._places[name] = place(name, "", self._declared.get(name))
        known = [(found, value) for name, value in values.items() if (found := self._places[name]) is not None]
        # The epoch applies to the other values of the same row, whatever their order.
        for found, value in sorted(known, key=lambda pair: pair[0].column != "epoch"):
            self._set(found, step, value)
        self._update_best(step)

    def _set(self, found: Place, step: int, value: float) -> None:
        if found.column == "epoch":
            self._count_epoch(value)
        if found.column not in ("loss", "accuracy") or found.rank > self._ranks.get(found[:2], found.rank):
            return
        self._ranks[found[:2]] = found.rank
        number = value if isfinite(value) else None
        if found.column == "accuracy" and number is not None and number > 1:
            self._percentages.add(found.split)
        before = self._latest.get(found.split, Measured())
        changed = Measured(number, before.accuracy) if found.column == "loss" else Measured(before.loss, number)
        self._latest[found.split] = replace(changed, step=step, epoch=self.epoch)

    def _count_epoch(self, value: float) -> None:
        if isfinite(value) and 0 <= value < 2**31:
            if self._first_epoch is None:
                self._first_epoch = value
            # Some scripts count from 0.
            self.epoch = int(value) + (self._first_epoch == 0)

    def _update_best(self, step: int) -> None:
        new, best = self._latest.get("validation"), self._latest.get("best")
        if new is not None and new.step == step and (best is None or best.step == step or _better(new, best)):
            self._latest["best"] = new


def _better(new: Measured, best: Measured) -> bool:
    """Return whether the loss is lower, or, without losses, the accuracy higher."""
    if new.loss is not None or best.loss is not None:
        return new.loss is not None and (best.loss is None or new.loss < best.loss)
    return (new.accuracy or 0.0) > (best.accuracy or 0.0)
