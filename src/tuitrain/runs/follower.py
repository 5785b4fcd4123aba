"""Read a run while it grows. Finished and copied runs are read in the same way."""

import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, groupby
from math import inf
from operator import le, lt
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.changes import Changed, changes
from tuitrain.runs.external import settings_of
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.rows import Evaluated, Event, Row, Train, decode, decode_lines

CHUNK = 256 * 1024
LONGEST = 64 * CHUNK
LOG_LINES = 2000
_NAN = float("nan")

# Columns that can be an x axis, and therefore must not decrease.
_CLOCKS = ("seconds", "time")


class Curve:
    """Columns of numbers with one entry per row; missing and non-finite values are NaN. Steps ascend. Times never
    decrease, even if the clock was set back. `changes` increases with every change."""

    def __init__(self, *extra: str) -> None:
        self.changes = 0
        self.step = array("q")
        self.columns = {name: array("d") for name in ("epoch", "seconds", "time", "loss", "accuracy", *extra)}

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, name: str) -> "array[float]":
        return self.columns[name]

    def only(self, column: str) -> "Curve":  # noqa: ARG002
        """Return the curve without the rows that have no value in `column`."""
        return self

    def add(self, step: int, **values: float | None) -> None:
        self.changes += 1
        self.step.append(step)
        for name, column in self.columns.items():
            value = values.get(name)
            if name in _CLOCKS and column and value is not None:
                value = max(column[-1], value)
            column.append(_NAN if value is None else value)

    def extend(self, steps: Sequence[int], rows: Sequence[Row]) -> None:
        """Append many rows, column by column, which is many times faster than row by row."""
        self.changes += 1
        self.step.extend(steps)
        for name, column in self.columns.items():
            values: Sequence[Any] = [getattr(row, name) for row in rows]
            if name in _CLOCKS:
                values = ascending(values, column[-1] if column else -inf)
            try:
                column.extend(values)
            except TypeError:
                del column[len(self.step) - len(steps) :]
                column.extend([_NAN if value is None else value for value in values])

    def cut(self, step: int) -> None:
        """Remove all rows after `step`."""
        self.changes += 1
        keep = bisect_right(self.step, step)
        del self.step[keep:]
        for column in self.columns.values():
            del column[keep:]


def ascending(values: Sequence[float], last: float) -> Sequence[float]:
    """Return the running maximum of `values`, starting at `last`."""
    if all(map(le, [last, *values], values)):
        return values
    return list(accumulate([last, *values], max))[1:]


class Follower:
    """The content of a run; `poll` reads new content. A damaged run sets `problem` instead of raising."""

    def __init__(self, folder: RunFolder, *, brief: bool = False, log_from: int = 0) -> None:
        """Follow `folder`. With `brief`, skip the log, the norms per layer and the epochs of training rows, which take
        time and memory. `log_from` is the byte offset at which to start reading the log."""
        self.folder = folder
        self._brief = brief
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
        self.layers: list[array[float]] = []
        self.evaluations = {"validation": Curve("best"), "test": Curve("best")}
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
    def settings(self) -> dict[str, Any]:
        """The known settings by key."""
        return {} if self.status == "damaged" else settings_of(self.info, self.config)

    @property
    def changes(self) -> dict[str, Changed]:
        """The settings changed while the run was active, by key."""
        return {} if self.problem or self.folder.read_only else changes(self.config, self.state)

    def poll(self, budget: float = 0.05) -> bool:
        """Read new content for about `budget` seconds; return whether there was any. Later calls read the rest."""
        deadline = time.monotonic() + budget
        try:
            self._load()
            news = self._read_state()
            news |= not self._brief and self._read_log(deadline)
            news |= self._read_metrics(deadline)
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
            lines, self._log_offset = self._tail(self.folder.log_file, self._log_offset)
            self.log.extend(line.decode("utf-8", "replace") for line in lines)
            self.log_lines += len(lines)
            if not lines or time.monotonic() > deadline:
                return self.log_lines > before

    def _read_metrics(self, deadline: float) -> bool:
        news = False
        while True:
            before = self._offset
            lines, self._offset = self._tail(self.folder.metrics_file, before)
            self._add_lines(lines)
            # A chunk that is not full was the rest of the file.
            self.behind = self._offset - before > CHUNK // 2
            news |= bool(lines)
            if not lines or time.monotonic() > deadline:
                return news

    def _tail(self, path: Path, offset: int) -> tuple[list[bytes], int]:
        """Return the complete lines of one chunk after `offset`, and the offset at which they end. An incomplete last
        line waits for the next call. A line longer than any that tuitrain writes is skipped."""
        try:
            if not path.is_file():
                return [], offset
            with path.open("rb") as file:
                file.seek(offset)
                chunk = more = file.read(CHUNK)
                while len(more) == CHUNK and b"\n" not in more and len(chunk) < LONGEST:
                    more = file.read(CHUNK)
                    chunk += more
        except FileNotFoundError:
            return [], offset
        except OSError as error:
            raise RunError(f"{path.name} cannot be read: {error.strerror}.") from None
        whole, newline, _ = chunk.rpartition(b"\n")
        if not newline:
            return ([b""], offset + len(chunk)) if len(chunk) >= LONGEST else ([], offset)
        return whole.split(b"\n"), offset + len(whole) + 1

    def _add_lines(self, lines: list[bytes]) -> None:
        """Decode all lines at once, or line by line if one of them is damaged."""
        try:
            rows = decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = []
        if len(rows) != len(lines):
            for line in lines:
                self._add_line(line)
            return
        for kind, group in groupby(rows, type):
            group_rows = list(group)
            if kind is not Train or not self._extend_train(group_rows):
                for row in group_rows:
                    self._add_row(row)

    def _extend_train(self, rows: list[Row]) -> bool:
        """Append training rows at once; return False if steps do not ascend or the number of layers changes."""
        steps = [row.step for row in rows]
        last = self.train.step[-1] if self.train.step else -1
        if not all(map(lt, [last, *steps], steps)):
            return False
        norms = [row.layers if isinstance(row, Train) else () for row in rows] if not self._brief else []
        if {len(self.layers)} != (set(map(len, norms)) or {len(self.layers)}):
            return False
        self.train.extend(steps, rows)
        for column, values in zip(self.layers, zip(*norms, strict=True), strict=False):
            column.extend([_NAN if value is None else value for value in values])
        return True

    def _add_line(self, line: bytes) -> None:
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.damaged_rows += 1
            return
        self._add_row(row)

    def _add_row(self, row: Row) -> None:
        if isinstance(row, Train):
            self._add_train(row)
        elif isinstance(row, Evaluated):
            curve = self.evaluations.get(row.split)
            if curve is not None and (not curve.step or row.step > curve.step[-1]):
                curve.add(row.step, epoch=row.epoch, seconds=row.seconds, time=row.time, loss=row.loss,
                          accuracy=row.accuracy, best=float(row.best))  # fmt: skip
        else:
            if row.name == "continued":
                self._cut(row.step)
            # A resumed run repeats the steps after its last checkpoint, and their events.
            if row.name != "drop" or all((event.name, event.step) != ("drop", row.step) for event in self.events):
                self.events.append(row)

    def _add_train(self, row: Train) -> None:
        if self.train.step and row.step <= self.train.step[-1]:
            return
        self.train.add(row.step, epoch=row.epoch, seconds=row.seconds, time=row.time, loss=row.loss,
                       accuracy=row.accuracy, lr=row.lr, grad_norm=row.grad_norm)  # fmt: skip
        if self._brief:
            return
        while len(self.layers) < len(row.layers):
            self.layers.append(array("d", [_NAN] * (len(self.train) - 1)))
        for index, column in enumerate(self.layers):
            value = row.layers[index] if index < len(row.layers) else None
            column.append(_NAN if value is None else value)

    def _cut(self, step: int) -> None:
        self.train.cut(step)
        for column in self.layers:
            del column[len(self.train) :]
        for curve in self.evaluations.values():
            curve.cut(step)
        # The loop repeats its own events, but not those that users caused.
        self.events = [event for event in self.events if event.step <= step or event.name != "drop"]
