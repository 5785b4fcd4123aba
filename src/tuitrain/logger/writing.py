"""Write a run in a separate thread, so that the script never waits for a disk."""

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from msgspec.structs import replace as with_fields

from tuitrain.config.schema import MAX_EPOCHS
from tuitrain.files import replace
from tuitrain.logger.facts import Facts, Summary
from tuitrain.logger.messages import Notes
from tuitrain.logger.scores import Scores
from tuitrain.logger.steering import Steering
from tuitrain.logger.values import Value, clean_name, read_value
from tuitrain.runs.external.hparams import by_setting
from tuitrain.runs.records import Status
from tuitrain.runs.rows import Event, Values, encode, spelled
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.scripts.records import MOST_METRICS, Script
from tuitrain.runs.writer import RunWriter, encode_pretty

# Seconds between two turns of the thread, which also reads the commands of the user, and at most if the disk is full.
INTERVAL, LONGEST_INTERVAL = 0.2, 5.0
# The number of rows that may wait to be written; the thread wakes up early at a quarter of it.
MOST_WAITING = 100_000
# Seconds that `put` waits for room, and `close` for the thread to write the rest.
LONGEST_WAIT, LONGEST_CLOSE = 0.5, 20.0


class LogWriter:
    """Writes the values, settings, summary and state of a run, and obeys commands. Errors never reach the script."""

    def __init__(self, folder: ScriptFolder, script: Script, settings: Facts, notes: Notes) -> None:
        self._thread = threading.Thread(target=self._run, name="tuitrain", daemon=True)
        self.folder, self.steering = folder, Steering(folder)
        self._last: dict[str, float] = {}
        self.summary = Summary(self._last_values)
        self._script, self._settings, self._notes = script, settings, notes
        self._written_facts: object = None
        self._scores = Scores(script.metrics)
        self._names: dict[Any, str] = {}
        # The step, the time by `time.monotonic` and the values of each call of `log`.
        self._rows: deque[tuple[int, float, Mapping[Any, Value]]] = deque()
        self._lines: deque[bytes] = deque()
        self._lost = self._step = self._planned = 0
        # Unlike an Event, a signal handler may use it while it interrupts another use.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._woken = self._encoding = False
        self._end: tuple[Status, str] | None = None
        self._writer = RunWriter(folder)
        self._writer.state = folder.raw_state()
        self._thread.start()

    @property
    def epoch(self) -> int:
        """The epoch that the script logged last."""
        return self._scores.epoch

    def put(self, step: int, values: Mapping[Any, Value]) -> None:
        """Take the values of a step to write. Waits at most `LONGEST_WAIT` if many wait already, and drops them if the
        disk is stuck."""
        waiting = len(self._rows)
        if waiting >= MOST_WAITING // 4:
            self._wake()
            if waiting >= MOST_WAITING and not self._room():
                self._lost += 1
                self._notes.once("stuck", f"{self.folder.path} cannot be written quickly enough; some values are lost.")
                return
        self._rows.append((step, monotonic(), values))

    def _room(self) -> bool:
        # After a lost row, do not wait for each of the next ones.
        deadline = monotonic() + (LONGEST_WAIT if self._lost == 0 else 0)
        while len(self._rows) >= MOST_WAITING:
            if monotonic() >= deadline:
                return False
            time.sleep(0.005)
        self._lost = 0
        return True

    def _last_values(self) -> Mapping[str, float]:
        """Return the last value of each metric. Waits a moment for the thread to read those that wait."""
        deadline = monotonic() + LONGEST_WAIT
        while (self._rows or self._encoding) and self._thread.is_alive() and monotonic() < deadline:
            self._wake()
            time.sleep(0.0005)
        return self._last

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._wakes.put(None)

    def close(self, status: Status, reason: str) -> None:
        """Write everything and the end of the run; give up if that takes longer than `LONGEST_CLOSE`."""
        self._end = status, reason
        self._wake()
        self._thread.join(LONGEST_CLOSE)
        if self._thread.is_alive():
            self._notes.once("close", f"{self.folder.path} cannot be written; the last values are lost.")

    def _run(self) -> None:
        interval = INTERVAL
        while self._end is None:
            with suppress(Empty):
                self._wakes.get(timeout=interval)
                self._woken = False
            written = self._try("write", self._turn)
            interval = INTERVAL if written else min(2 * interval, LONGEST_INTERVAL)
        self._try("write", self._turn)
        self._try("end", self._finish)
        self._try("end", self._writer.close)

    def _try(self, topic: str, action: Callable[[], object]) -> bool:
        """Return whether the action succeeded; say once what is wrong."""
        try:
            action()
            return True
        except OSError as error:
            place = str(self.folder.path)
            self._notes.once(topic, f"{place} cannot be written: {error.strerror or error}. The script continues.")
        except Exception as error:
            self._notes.once(topic, f"a fault in the logger, please report it: {error!r}. The script continues.")
        return False

    def _turn(self) -> None:
        self._encode()
        if not self.folder.path.is_dir():
            # The open file could still be written, but nobody would ever find it.
            raise FileNotFoundError(errno.ENOENT, "the folder was removed")
        for event in self.steering.read():
            name, detail, value = event
            row = Event(name, self._step, self._scores.epoch, self._writer.now(), detail, value)
            self._lines.append(encode(row) + b"\n")
        self._write_lines()
        self._write_facts()
        self._write_state()

    def _encode(self) -> None:
        """Encode the waiting rows. While the disk is full they stay in memory, up to a limit."""
        self._encoding = True
        try:
            for _ in range(len(self._rows)):
                self._encode_row(*self._rows.popleft())
        finally:
            self._encoding = False
        while len(self._lines) > MOST_WAITING:
            self._lines.popleft()

    def _encode_row(self, step: int, moment: float, given: Mapping[Any, Value]) -> None:
        read = {self._clean(name): self._read(value) for name, value in given.items()}
        numbers = {name: value for name, value in read.items() if name and value is not None}
        values = {name: spelled(value) for name, value in numbers.items()}
        self._lines.append(encode(Values(step, self._writer.time_at(moment), values)) + b"\n")
        self._last.update(numbers)
        self._step = max(self._step, step)
        self._scores.add(step, numbers)

    def _read(self, value: Value) -> float | None:
        try:
            return read_value(value)
        except Exception as error:
            self._notes.once("device", f"a tensor cannot be copied from its device: {error}")
            return None

    def _clean(self, name: Any) -> str:
        """Return the name as it is stored; empty if there are too many names."""
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= MOST_METRICS:
                self._notes.once("names", f"more than {MOST_METRICS:,} names of metrics; tuitrain ignores the others.")
                return ""
            known = self._names[name] = clean_name(name)
        return known

    def _write_lines(self) -> None:
        count = len(self._lines)
        if count:
            self._writer.lines(b"".join(self._lines))
            self._lines.clear()

    def _write_facts(self) -> None:
        """Write script.json if the settings, the summary or what the script asks for changed."""
        settings, summary = self._settings, self.summary
        asks = [clean_name(name) for name in list(self.steering.asks)]
        version = (settings.changes, summary.changes, asks)
        if version != self._written_facts:
            try:
                facts = {"settings": settings.storable(), "summary": summary.storable()}
            except RuntimeError:
                # The script is changing a nested dictionary at this moment; the next turn reads it again.
                return
            self._script = with_fields(self._script, **facts, asks=asks)
            replace(self.folder.script_file, encode_pretty(self._script))
            self._written_facts = version
            planned = by_setting(self._script.settings).get("training.epochs")
            self._planned = planned if isinstance(planned, int) and 0 <= planned <= MAX_EPOCHS else 0

    def _progress(self) -> Mapping[str, Any]:
        state, epoch = self._writer.state, self._scores.epoch
        return {
            "step": self._step,
            "epoch": epoch,
            # A script that logs no epoch would seem to have done none.
            "epochs": max(self._planned, epoch) if epoch else 0,
            "seconds": self._writer.now() - (state.started or self._writer.now()),
            "measured": self._scores.measured,
        }

    def _write_state(self) -> None:
        self._writer.update(**self._progress())

    def _finish(self) -> None:
        status, reason = self._end or ("finished", "")
        if status == "finished" and self.steering.stopped_by is not None:
            status, reason = "stopped", f"by {self.steering.stopped_by}"
        self._writer.end(status=status, reason=reason, ended=self._writer.now(), **self._progress())
