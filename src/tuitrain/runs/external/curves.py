"""Merge the values of tags, each with its own steps, into curves."""

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from math import ceil, inf, isfinite, isnan, nan
from operator import lt

from tuitrain.runs.external.source import Series
from tuitrain.runs.external.tags import Place, place
from tuitrain.runs.follower import Curve, ascending

Chosen = dict[str, dict[str, tuple[str, Series]]]


def choose(series: Mapping[str, Mapping[str, Series]], declared: Mapping[str, str] | None = None) -> Chosen:
    """Choose the tag for each split and column. `declared` are the columns of tags whose names do not tell them."""
    best: dict[tuple[str, str], tuple[int, str, Series]] = {}
    for part, tags in series.items():
        for tag, values in tags.items():
            target: Place | None = place(tag, part, (declared or {}).get(tag))
            if target is not None and len(values.step):
                key, candidate = (target.split, target.column), (target.rank, tag, values)
                best[key] = min(best.get(key, candidate), candidate, key=lambda ranked: ranked[:2])
    chosen: Chosen = {}
    for (split, column), (_, tag, values) in best.items():
        chosen.setdefault(split, {})[column] = (tag, _fractions(values) if column == "accuracy" else values)
    return chosen


def _fractions(series: Series) -> Series:
    """Return accuracies as fractions; if one of them is above 1, all are percentages."""
    if max(filter(isfinite, series.value), default=0.0) <= 1:
        return series
    fractions = Series()
    fractions.step, fractions.time = series.step, series.time
    fractions.value = array("d", [value / 100 for value in series.value])
    return fractions


class TagCurve(Curve):
    """A curve with a row for each step of any of its tags; `only` returns the rows that have a value of one tag."""

    def __init__(self, *extra: str, scored: bool = True) -> None:
        super().__init__(*extra, scored=scored)
        self._partial: dict[str, Curve | None] = {}
        self._sourced: frozenset[str] = frozenset()

    def only(self, column: str) -> Curve:
        if column not in self._partial:
            return self if column in self._sourced else Curve(column)
        known = self._partial[column]
        if known is None:
            known = self._partial[column] = Curve(column)
            rows = [row for row, value in enumerate(self[column]) if not isnan(value)]
            known.changes = self.changes
            known.step.extend([self.step[row] for row in rows])
            for name, values in known.columns.items():
                values.extend([self[name][row] for row in rows])
        return known

    def fill(self, sources: Mapping[str, Series], begun: float) -> None:
        """Copy the values of the tags; only the new ones if all tags continue with the same steps."""
        self._sourced = frozenset(sources)
        if not sources or not self._extend(sources):
            self._merge(sources)
        had = len(self["seconds"])
        times = self["time"]
        # Files without times have NaN in all rows.
        if not any(map(isnan, times[max(0, had - 1) :])):
            times[had:] = array("d", ascending(times[had:], times[had - 1] if had else -inf))
        self["seconds"].extend([at - begun for at in self["time"][had:]])
        for name, column in self.columns.items():
            if name not in sources:
                column.extend([nan] * (len(self.step) - len(column)))

    def _extend(self, sources: Mapping[str, Series]) -> bool:
        had = len(self.step)
        series = list(sources.values())
        new = series[0].step[had:]
        last = self.step[-1:] if had else array("q")
        if self._partial or any(len(one.step) != len(series[0].step) or one.step[had:] != new for one in series):
            return False
        if len(series[0].step) < had or not all(map(lt, [*last, *new], new if had else new[1:])):
            return False
        if had and any(len(self[name]) != had or self[name][:1] != one.value[:1] for name, one in sources.items()):
            return False
        if had != len(series[0].step):
            self.changes += 1
        self.step.extend(new)
        self["time"].extend(series[0].time[had:])
        for name, one in sources.items():
            self[name].extend(one.value[had:])
        return True

    def _merge(self, sources: Mapping[str, Series]) -> None:
        """Merge all values by step; of several values of a tag with the same step, keep the last."""
        self.changes += 1
        steps = sorted(set().union(*(one.step for one in sources.values())))
        rows = {step: row for row, step in enumerate(steps)}
        self.step = array("q", steps)
        self.columns = {name: array("d") for name in self.columns}
        empty = array("d", [nan]) * len(steps)
        times = array("d", empty)
        self._partial = {}
        for name, one in sources.items():
            column = self.columns[name] = array("d", empty)
            for step, at, value in zip(one.step, one.time, one.value, strict=True):
                row = rows[step]
                column[row], times[row] = value, at
            if len(set(one.step)) < len(steps):
                self._partial[name] = None
        self.columns["time"] = times


class Epochs:
    """The epoch of each step according to an `epoch` tag: Lightning counts from 0, Hugging Face in fractions."""

    def __init__(self, series: Series | None) -> None:
        points = sorted(dict(zip(series.step, series.value, strict=True)).items()) if series else []
        points = [(step, value) for step, value in points if 0 <= value < 2**31]
        whole = all(value.is_integer() for _, value in points)
        shift = 1 if whole and points and points[0][1] == 0 else 0
        self._steps = [step for step, _ in points]
        self._epochs = [value + shift if whole else float(ceil(value)) for _, value in points]
        self.done = points[-1][1] + shift if points else 0.0

    def __bool__(self) -> bool:
        return bool(self._steps)

    def at(self, step: int) -> float:
        """Return the epoch of a step; NaN before the first known one."""
        before = bisect_right(self._steps, step)
        return self._epochs[before - 1] if before else nan

    @property
    def steps_per_epoch(self) -> int:
        return round((self._steps[-1] + 1) / self.done) if self.done else 0
