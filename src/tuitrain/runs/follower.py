"""Reading a run as it grows: live, finished or copied from elsewhere, all the same way."""

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


# Columns that something may be drawn along.
_CLOCKS = ("seconds", "time")


class Curve:
    """Columns of numbers, one entry a row; what was not finite or not there is NaN. Steps ascend, and so do times, also
    where a clock was set back. `changes` is another number whenever anything has changed."""

    def __init__(self, *extra: str) -> None:
        self.changes = 0
        self.step = array("q")
        self.columns = {name: array("d") for name in ("epoch", "seconds", "time", "loss", "accuracy", *extra)}

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, name: str) -> "array[float]":
        return self.columns[name]

    def only(self, column: str) -> "Curve":  # noqa: ARG002
        """Without the rows that can have no value there."""
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
        """A column at a time, which is many times faster than a row at a time."""
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
        """Forget all beyond `step`."""
        self.changes += 1
        keep = bisect_right(self.step, step)
        del self.step[keep:]
        for column in self.columns.values():
            del column[keep:]


def ascending(values: Sequence[float], last: float) -> Sequence[float]:
    """With each that is below one before it, or below `last`, as high as that."""
    if all(map(le, [last, *values], values)):
        return values
    return list(accumulate([last, *values], max))[1:]


class Follower:
    """All that is known of a run; `poll` reads what is new. Never raises for a damaged run: see `problem`."""

    def __init__(self, folder: RunFolder, *, brief: bool = False, log_from: int = 0) -> None:
        """`brief`: without log, layers and the train rows' epochs, which take time and memory; `log_from`: the byte
        from which the log is read."""
        self.folder = folder
        self._brief = brief
        self.info = RunInfo(id=folder.id, name=folder.id)
        self.config = Config()
        self.state = State()
        self.problem = ""
        self.behind = False
        """Whether the last `poll` has left something unread."""
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
        """All that is known, by key."""
        return {} if self.status == "damaged" else settings_of(self.info, self.config)

    @property
    def changes(self) -> dict[str, Changed]:
        """The settings that were changed on the way, by key."""
        return {} if self.problem or self.folder.read_only else changes(self.config, self.state)

    def poll(self, budget: float = 0.05) -> bool:
        """Whether anything was new; reads for about `budget` seconds, so that the rest comes with later calls."""
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
            # Filled in once the run is prepared.
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
            self._take_lines(lines)
            # Less than a chunk is all that there is.
            self.behind = self._offset - before > CHUNK // 2
            news |= bool(lines)
            if not lines or time.monotonic() > deadline:
                return news

    def _tail(self, path: Path, offset: int) -> tuple[list[bytes], int]:
        """The whole lines after `offset`, a chunk at a time, and where they end; a torn last line waits. A line too
        long to be one of ours is passed over."""
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

    def _take_lines(self, lines: list[bytes]) -> None:
        """All at once where they are whole; line by line where one is damaged."""
        try:
            rows = decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = []
        if len(rows) != len(lines):
            for line in lines:
                self._take(line)
            return
        for kind, group in groupby(rows, type):
            same = list(group)
            if kind is not Train or not self._take_many(same):
                for row in same:
                    self._take_row(row)

    def _take_many(self, rows: list[Row]) -> bool:
        """Whether the rows of training just follow what is there, each with what the first has, and are taken."""
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

    def _take(self, line: bytes) -> None:
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.damaged_rows += 1
            return
        self._take_row(row)

    def _take_row(self, row: Row) -> None:
        if isinstance(row, Train):
            self._take_train(row)
        elif isinstance(row, Evaluated):
            curve = self.evaluations.get(row.split)
            if curve is not None and (not curve.step or row.step > curve.step[-1]):
                curve.add(row.step, epoch=row.epoch, seconds=row.seconds, time=row.time, loss=row.loss,
                          accuracy=row.accuracy, best=float(row.best))  # fmt: skip
        else:
            if row.name == "continued":
                self._cut(row.step)
            # What was done after the last checkpoint is done again.
            if row.name != "drop" or all((event.name, event.step) != ("drop", row.step) for event in self.events):
                self.events.append(row)

    def _take_train(self, row: Train) -> None:
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
        # What the loop does of itself, it does again; what people did, they did.
        self.events = [event for event in self.events if event.step <= step or event.name != "drop"]
