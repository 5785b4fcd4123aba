"""Read the metrics of a run row by row, in constant memory, for an export."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from math import inf, isfinite
from typing import NamedTuple, Protocol

from tuitrain.runs.files import read_lines
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import LONGEST, Follower
from tuitrain.runs.rows import Evaluated, Event, Row, Split, Train, decode_valid

# The columns of `StreamedRow.values`.
COLUMNS = ("epoch", "seconds", "time", "loss", "accuracy", "best", "lr", "grad_norm")
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_ABSENT = {"train": {"best"}, "validation": {"lr", "grad_norm"}, "test": {"lr", "grad_norm"}}


class StreamedRow(NamedTuple):
    """A row of a split. `values` has one entry per column in `COLUMNS`, `layers` the gradient norm of each layer.
    Unknown values are None or NaN."""

    split: Split
    step: int
    values: tuple[float | None, ...]
    layers: Sequence[float | None]


class RowStream(Protocol):
    """The metrics of a run. `layers` is the largest number of layers in a row."""

    layers: int

    def rows(self, split: Split) -> Iterator[StreamedRow]:
        """Yield the rows of a split by ascending step; their times never decrease."""
        ...

    def known(self, split: Split) -> frozenset[str]:
        """Return the columns in which a row of the split has a finite value."""
        ...


class Chunk(NamedTuple):
    """A part of `metrics.jsonl`: the offset at which it begins, and its number of lines."""

    offset: int
    lines: int


class FileRows:
    """The rows of `metrics.jsonl`, without those that the run writes after this object has been created.

    A first pass finds the rows of each split and those that a resumed run replaced.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.layers = 0
        # The columns without a finite value.
        self._unknown: dict[Split, set[str]] = {split: set(COLUMNS) - _ABSENT[split] for split in SPLITS}
        # The chunks with rows of each split or a cut, in the order of the file.
        self._chunks: dict[Split, list[Chunk]] = {split: [] for split in SPLITS}
        # The steps after which a `continued` event removes all earlier rows, in the order of the file.
        self._cuts: list[int] = []
        offset, end = 0, -1
        while offset != end:
            end = offset
            lines, offset = read_lines(folder.metrics_file, end, LONGEST)
            for split in self._scan(decode_valid(lines)):
                self._chunks[split].append(Chunk(end, len(lines)))

    def _scan(self, rows: Sequence[Row]) -> set[Split]:
        """Record the columns and cuts in the rows; return the splits that they concern."""
        found: set[Split] = set()
        for row in rows:
            if isinstance(row, Event):
                if row.name == "continued":
                    self._cuts.append(row.step)
                    found.update(SPLITS)
                continue
            if isinstance(row, Train):
                self.layers = max(self.layers, len(row.layers))
            if not isinstance(row, Train | Evaluated):
                continue
            split = _split(row)
            found.add(split)
            if unknown := self._unknown[split]:
                unknown -= {name for name in unknown if _finite(getattr(row, name))}
        return found

    def known(self, split: Split) -> frozenset[str]:
        return frozenset(COLUMNS) - _ABSENT[split] - self._unknown[split]

    def rows(self, split: Split) -> Iterator[StreamedRow]:
        limits = self._limits()
        limit = next(limits)
        last, seconds, when = -1, -inf, -inf
        for chunk in self._chunks[split]:
            for row in self._read(chunk):
                if isinstance(row, Event):
                    if row.name == "continued":
                        limit = next(limits)
                elif isinstance(row, Train | Evaluated) and _split(row) == split and last < row.step <= limit:
                    last, seconds, when = row.step, max(seconds, row.seconds), max(when, row.time)
                    yield _streamed(row, seconds, when)

    def _read(self, chunk: Chunk) -> Sequence[Row]:
        lines, _ = read_lines(self._folder.metrics_file, chunk.offset, LONGEST)
        return decode_valid(lines[: chunk.lines])

    def _limits(self) -> Iterator[float]:
        """Yield the largest valid step of the rows before the first cut, between each two cuts, and after the last
        cut."""
        remaining = [inf]
        for step in reversed(self._cuts):
            remaining.append(min(remaining[-1], step))
        return reversed(remaining)


class CurveRows:
    """The rows of a run that a follower has read."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._curves = {"train": run.train, **run.evaluations}
        self.layers = len(run.layers)

    def known(self, split: Split) -> frozenset[str]:
        return frozenset(name for name, values in self._curves[split].columns.items() if any(map(isfinite, values)))

    def rows(self, split: Split) -> Iterator[StreamedRow]:
        curve = self._curves[split]
        columns = zip(*(curve.columns.get(name, repeat(None)) for name in COLUMNS), strict=False)
        norms = zip(*self._run.layers, strict=True) if split == "train" and self._run.layers else repeat(())
        for step, values, layers in zip(curve.step, columns, norms, strict=False):
            yield StreamedRow(split, step, values, layers)


def _split(row: Train | Evaluated) -> Split:
    return "train" if isinstance(row, Train) else row.split


def _streamed(row: Train | Evaluated, seconds: float, when: float) -> StreamedRow:
    before = (row.epoch, seconds, when, row.loss, row.accuracy)
    if isinstance(row, Train):
        return StreamedRow("train", row.step, (*before, None, row.lr, row.grad_norm), row.layers)
    return StreamedRow(row.split, row.step, (*before, int(row.best), None, None), ())


def _finite(value: float | None) -> bool:
    return value is not None and isfinite(value)
