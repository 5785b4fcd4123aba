"""Read the run of a user's script while it grows."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Literal

from tuitrain.errors import RunError
from tuitrain.runs.external.source import Series
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.files import CHUNK, read_lines
from tuitrain.runs.folder import Stamp
from tuitrain.runs.follower import LONGEST
from tuitrain.runs.records import State
from tuitrain.runs.rows import Event, Values, decode_valid, number
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.scripts.records import MOST_METRICS, Script


class ScriptSource:
    """Reads the values, the events and the small files of a run. `damaged` counts invalid rows."""

    def __init__(self, folder: ScriptFolder) -> None:
        self._folder = folder
        self._series: dict[str, Series] = {}
        self.series: Mapping[str, Mapping[str, Series]] = {"": self._series}
        self.info, self.state, self.script = ExternalRunInfo(id=folder.id, name=folder.id), State(), Script()
        self.events: list[Event] = []
        self.damaged = 0
        self.problems: list[str] = []
        self.first = self.last = 0.0
        self._offset = 0
        self._stamp: Stamp | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.script.settings

    @property
    def ended(self) -> Literal["finished", "stopped", "failed"] | None:
        status = self.state.status
        return status if status in ("finished", "stopped", "failed") else None

    @property
    def host(self) -> str:
        return self.info.host

    @property
    def changes(self) -> object:
        return self._offset, self._stamp

    def poll(self, deadline: float) -> bool:
        """Read until `deadline` (of time.monotonic); return whether there is more to read."""
        try:
            self._read_files()
            while self._read_rows():
                if monotonic() > deadline:
                    return True
        except RunError as error:
            self.problems = [str(error)]
        else:
            self.problems = []
        return False

    def _read_files(self) -> None:
        """Read the small files before the rows: a run that has ended has written all of its rows."""
        stamp = self._folder.stamp()
        if stamp != self._stamp:
            self.script, self.info, self.state = self._folder.script(), self._folder.info(), self._folder.state()
            self._stamp = stamp

    def _read_rows(self) -> bool:
        """Read a chunk; return whether there may be more."""
        before = self._offset
        lines, self._offset = read_lines(self._folder.metrics_file, before, LONGEST)
        rows = decode_valid(lines)
        self.damaged += len(lines) - len(rows)
        for row in rows:
            if isinstance(row, Values):
                self._add(row)
            elif isinstance(row, Event):
                self.events.append(row)
        return self._offset - before > CHUNK // 2

    def _add(self, row: Values) -> None:
        self.first, self.last = self.first or row.time, row.time
        for name, value in row.values.items():
            series = self._series.get(name)
            if series is None:
                if len(self._series) >= MOST_METRICS:
                    continue
                series = self._series[name] = Series()
            series.add(row.step, row.time, number(value))
