"""Read a run while it grows. Finished and copied runs are read in the same way."""

import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, groupby, zip_longest
from math import inf
from operator import le, lt
from typing import Any, TypeVar

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.changes import Changed, changes
from tuitrain.runs.external_info import settings_of
from tuitrain.runs.files import CHUNK, read_lines
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.rows import Evaluated, Event, LayerStatistics, PerLayer, Resources, Train, decode_valid

ValuesRow = TypeVar("ValuesRow", bound=Train | Evaluated | LayerStatistics | Resources)
# No row and no line of a log is this long.
LONGEST = 64 * CHUNK
LOG_LINES = 2000
_NAN = float("nan")

# Columns that can be an x axis, and therefore must not decrease.
_CLOCKS = ("seconds", "time")


class Curve:
    """Columns of numbers with one entry per row; missing and non-finite values are NaN. Steps ascend. Times never
    decrease, even if the clock was set back. `changes` increases with every change."""

    def __init__(self, *extra: str, scored: bool = True) -> None:
        """`scored` is False if the rows have no loss and no accuracy."""
        self.changes = 0
        self.step = array("q")
        names = ("epoch", "seconds", "time", *(("loss", "accuracy") if scored else ()), *extra)
        self.columns = {name: array("d") for name in names}

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, name: str) -> "array[float]":
        return self.columns[name]

    def only(self, column: str) -> "Curve":  # noqa: ARG002
        """Return the curve without the rows that have no value in `column`."""
        return self

    def extend(self, rows: Sequence[ValuesRow]) -> Sequence[ValuesRow]:
        """Append the rows whose step is above all steps before it, and return them. Appending many rows column by
        column is many times faster than row by row."""
        last = self.step[-1] if self.step else -1
        steps = [row.step for row in rows]
        if not all(map(lt, [last, *steps], steps)):
            highest = accumulate(steps, max, initial=last)
            rows = [row for row, before in zip(rows, highest, strict=False) if row.step > before]
            steps = [row.step for row in rows]
        self.changes += bool(rows)
        self.step.extend(steps)
        for name, column in self.columns.items():
            values: Sequence[Any] = [getattr(row, name) for row in rows]
            if name in _CLOCKS:
                values = ascending(values, column[-1] if column else -inf)
            _append(column, values)
        return rows

    def cut(self, step: int) -> None:
        """Remove all rows after `step`."""
        self.changes += 1
        keep = bisect_right(self.step, step)
        del self.step[keep:]
        for column in self.columns.values():
            del column[keep:]


def _append(column: "array[float]", values: Sequence[float | None]) -> None:
    """Append the values, and NaN for None."""
    before = len(column)
    try:
        column.extend(values)  # type: ignore[arg-type]
    except TypeError:
        del column[before:]
        column.extend([_NAN if value is None else value for value in values])


class LayerColumns(list["array[float]"]):
    """A column for each layer, with an entry for each row of a curve; NaN where a value is missing."""

    def append_rows(self, rows: Sequence[PerLayer], length: int) -> None:
        """Append rows to columns that then have `length` entries."""
        for layer, values in enumerate(zip_longest(*rows)):
            if layer == len(self):
                self.append(array("d", [_NAN] * (length - len(rows))))
            _append(self[layer], values)
        for column in self:
            column.extend([_NAN] * (length - len(column)))

    def cut(self, length: int) -> None:
        for column in self:
            del column[length:]


def ascending(values: Sequence[float], last: float) -> Sequence[float]:
    """Return the running maximum of `values`, starting at `last`."""
    if all(map(le, [last, *values], values)):
        return values
    return list(accumulate([last, *values], max))[1:]


class Follower:
    """The content of a run; `poll` reads new content. A damaged run sets `problem` instead of raising."""

    def __init__(self, folder: RunFolder, *, brief: bool = False, metrics: bool = True, log_from: int = 0) -> None:
        """Follow `folder`. With `brief`, skip the log, the norms per layer and the epochs of training rows, which take
        time and memory. Without `metrics`, read only state and log, however long the run is. `log_from` is the byte
        offset at which to start reading the log."""
        self.folder = folder
        self._brief, self._metrics = brief, metrics
        self.info = RunInfo(id=folder.id, name=folder.id)
        self.config = Config()
        self.state = State()
        self.problem = ""
        self.behind = False
        """Whether the last `poll` left content unread."""
        self.damaged_rows = 0
        self.train = Curve("lr", "grad_norm")
        if brief:
            del self.train.columns["epoch"]
        self.layers = LayerColumns()
        self.layer_steps = Curve(scored=False)
        """The steps after which the layers were measured, and by name what `rows.LayerStatistics` says of each."""
        self.layer_statistics = {name: LayerColumns() for name in ("update_ratio", "mean", "std", "dead")}
        self.evaluations = {"validation": Curve("best"), "test": Curve("best")}
        self.resources = Curve("wait", "memory", "gpu_use", "gpu_memory", scored=False)
        self.events: list[Event] = []
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.log_lines = 0
        self._offset, self._log_offset = 0, log_from
        self._state_stamp = (0, 0)
        self._loaded = False

    @property
    def status(self) -> ShownStatus:
        return "damaged" if self.problem else shown_status(self.state)

    @property
    def logged_names(self) -> Sequence[str]:
        """The names of all metrics that another program logged."""
        return ()

    def logged(self, name: str) -> Curve:  # noqa: ARG002
        """Return the curve of one of `logged_names`, with the column `value`."""
        return Curve("value", scored=False)

    @property
    def settings(self) -> dict[str, Any]:
        """The known settings that the run uses, by key."""
        return {} if self.status == "damaged" else settings_of(self.info, self.config)

    @property
    def changes(self) -> dict[str, Changed]:
        """The settings changed while the run was active, by key."""
        return {} if self.problem or self.folder.read_only else changes(self.config, self.state)

    def read_all(self) -> None:
        """Read all that the run has written so far."""
        while self.poll(1.0):
            pass

    def poll(self, budget: float = 0.05) -> bool:
        """Read new content for about `budget` seconds; return whether there was any. Later calls read the rest."""
        deadline = time.monotonic() + budget
        try:
            self._load()
            news = self._read_state()
            news |= not self._brief and self._read_log(deadline)
            news |= self._metrics and self._read_metrics(deadline)
        except (RunError, OSError) as error:
            problem, self.problem = self.problem, str(error)
            return problem != self.problem
        news |= bool(self.problem)
        self.problem = ""
        return news

    def _load(self) -> None:
        if not self._loaded:
            self.info, self.config = self.folder.info(), self.folder.config()
            self._loaded = True

    def _read_state(self) -> bool:
        try:
            stat = self.folder.state_file.stat()
        except OSError:
            raise RunError("state.json is missing.") from None
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self._state_stamp:
            return False
        self.state = self.folder.state()
        self._state_stamp = stamp
        if not self.info.device:
            # The loop fills this in after preparing the run.
            self.info = self.folder.info()
        return True

    def _read_log(self, deadline: float) -> bool:
        before = self.log_lines
        while True:
            lines, self._log_offset = read_lines(self.folder.log_file, self._log_offset, LONGEST)
            self.log.extend(line.decode("utf-8", "replace") for line in lines)
            self.log_lines += len(lines)
            if not lines or time.monotonic() > deadline:
                return self.log_lines > before

    def _read_metrics(self, deadline: float) -> bool:
        news = False
        while True:
            before = self._offset
            lines, self._offset = read_lines(self.folder.metrics_file, before, LONGEST)
            self._add_lines(lines)
            # A chunk that is not full was the rest of the file.
            self.behind = self._offset - before > CHUNK // 2
            news |= bool(lines)
            if not lines or time.monotonic() > deadline:
                return news

    def _add_lines(self, lines: list[bytes]) -> None:
        rows = decode_valid(lines)
        self.damaged_rows += len(lines) - len(rows)
        for kind, group in groupby(rows, type):
            same_kind: list[Any] = list(group)
            if kind is Train:
                self._add_train(same_kind)
            elif kind is LayerStatistics:
                self._add_layer_statistics(same_kind)
            elif kind is Resources:
                self.resources.extend(same_kind)
            elif kind is Evaluated:
                for split, curve in self.evaluations.items():
                    curve.extend([row for row in same_kind if row.split == split])
            elif kind is Event:
                for event in same_kind:
                    self._add_event(event)

    def _add_train(self, rows: list[Train]) -> None:
        new = self.train.extend(rows)
        if not self._brief:
            self.layers.append_rows([row.layers for row in new], len(self.train))

    def _add_layer_statistics(self, rows: list[LayerStatistics]) -> None:
        if not self._brief:
            new = self.layer_steps.extend(rows)
            for name, columns in self.layer_statistics.items():
                columns.append_rows([getattr(row, name) for row in new], len(self.layer_steps))

    def _add_event(self, event: Event) -> None:
        if event.name == "continued":
            self._cut(event.step)
        # A resumed run repeats the steps after its last checkpoint, and their events.
        if event.name != "drop" or all((other.name, other.step) != ("drop", event.step) for other in self.events):
            self.events.append(event)

    def _cut(self, step: int) -> None:
        self.train.cut(step)
        self.layers.cut(len(self.train))
        self.layer_steps.cut(step)
        for columns in self.layer_statistics.values():
            columns.cut(len(self.layer_steps))
        for curve in (self.resources, *self.evaluations.values()):
            curve.cut(step)
        # The loop repeats its own events, but not those that users caused.
        self.events = [event for event in self.events if event.step <= step or event.name != "drop"]
