"""Collect rows of named numbers, such as lines of CSV or JSON, into series."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite, nan
from typing import Any

from tuitrain.runs.external.source import Series
from tuitrain.runs.external.tags import PARTS, place
from tuitrain.text import plain

Row = Mapping[str, float | str]

# The names of columns, in lower case, that contain the step, and the split of a row in words.
STEPS = ("step", "global_step", "train/global_step", "trainer/global_step", "_step", "steps", "iteration")
EPOCH = "epoch"
SPLIT_COLUMNS = ("split", "mode", "phase", "stage")
# Columns with seconds since 1970, or seconds since the start.
TIMES = ("_timestamp", "timestamp", "wall_time", "time", "_runtime", "elapsed", "seconds")
# Seconds after 2001 are a time, fewer are a duration.
_TIME_OF_DAY = 1e9
MOST_TAGS, LONGEST_TAG = 1000, 400


class Rows:
    """`series` by part and tag, see `Source`. `begun` is the time at which durations start; NaN if it is unknown."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, Series]] = {}
        self.begun = nan
        self.first = self.last = 0.0
        self.changes = 0
        self.problem = ""
        self._step: int | None = None
        self._tags = 0

    def add(self, row: Row, number: int) -> None:
        """Add the numbers of a row. `number` is its step if the row has none and no epoch."""
        names = {name.lower(): value for name, value in row.items()}
        part = next((PARTS.get(str(names[name]).lower(), "") for name in SPLIT_COLUMNS if name in names), "")
        step = self._step_of(names, number)
        time = self._time_of(names)
        tags = [name for name in row if name.lower() not in (*STEPS, *TIMES, *SPLIT_COLUMNS)]
        if _only_test(tuple(tags), part):
            # Lightning tests after the last epoch, in an epoch of its own.
            tags = [tag for tag in tags if tag.lower() != EPOCH]
        for tag in tags:
            value = row[tag]
            if not isinstance(value, str) and (series := self._series(part, plain(tag, LONGEST_TAG))) is not None:
                _cut(series, step)
                series.add(step, time, value)
                self.changes += 1

    def _step_of(self, names: Row, number: int) -> int:
        for name in STEPS:
            if (step := _whole(names.get(name))) is not None:
                self._step = step
                break
        # Rows of evaluations may have no step among rows that have one.
        if self._step is not None:
            return self._step
        epoch = _whole(names.get(EPOCH))
        return number if epoch is None else epoch

    def _time_of(self, names: Row) -> float:
        for name in TIMES:
            value = names.get(name)
            if isinstance(value, float) and 0 <= value < 2**40:
                is_duration = value < _TIME_OF_DAY
                time = self.begun + value if is_duration else value
                # Durations that fall are those of single epochs.
                if isfinite(time) and not (is_duration and time < self.last):
                    self.first, self.last = min(self.first or time, time), max(self.last, time)
                    return time
        return nan

    def _series(self, part: str, tag: str) -> Series | None:
        tags = self.series.setdefault(part, {})
        if tag not in tags and self._tags >= MOST_TAGS:
            self.problem = f"tuitrain reads only the first {MOST_TAGS:,} metrics of a run."
            return None
        self._tags += tag not in tags
        return tags.setdefault(tag, Series())


def _whole(value: Any) -> int | None:
    """Return a number as an int if it is a valid step."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else None


@lru_cache
def _only_test(tags: tuple[str, ...], part: str) -> bool:
    splits = {target.split for tag in tags if tag.lower() != EPOCH and (target := place(tag, part)) is not None}
    return splits == {"test"}


def _cut(series: Series, step: int) -> None:
    """Remove the values after a step that comes again: the tool continued from an earlier checkpoint."""
    if series.step and step < series.step[-1]:
        keep = bisect_left(series.step, step)
        del series.step[keep:], series.time[keep:], series.value[keep:]


def names_metrics(names: list[str]) -> bool:
    """Return whether these columns are a step or an epoch, and a loss or an accuracy."""
    if not {name.lower() for name in names} & {*STEPS, EPOCH}:
        return False
    return any((target := place(name, "")) is not None and target.column in ("loss", "accuracy") for name in names)
