"""Read the metrics, configuration and end of a W&B run."""

from pathlib import Path
from typing import Any

from tuitrain.runs.external.hparams import from_values
from tuitrain.runs.external.json_text import flat
from tuitrain.runs.external.rows import LONGEST_TAG, MOST_TAGS, Rows
from tuitrain.runs.external.source import Ended, Series
from tuitrain.runs.external.wandb import messages
from tuitrain.runs.external.wandb.record_file import RecordFile
from tuitrain.text import plain


class WandbReader:
    """Reads one .wandb file; see `Source`. Values that a run only wrote to its summary are curves of one value."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self.settings: dict[str, Any] = {}
        self.ended: Ended | None = None
        self.host = ""
        self._start = self._alive = 0.0
        self._rows = Rows()
        self._summary: dict[str, float] = {}
        self._from_summary: set[str] = set()
        self._steps = self._records = 0
        self._last_step = 0.0
        self._file = RecordFile(self.path, self._take)
        self._unreadable = ""
        self._invalid = ""

    @property
    def series(self) -> dict[str, dict[str, Series]]:
        return self._rows.series

    @property
    def first(self) -> float:
        return self._rows.first or self._start

    @property
    def last(self) -> float:
        return max(self._rows.last, self._start, self._alive)

    @property
    def changes(self) -> object:
        return self._records, self._file.offset

    @property
    def problems(self) -> list[str]:
        found = (self._unreadable, self._file.problem, self._invalid, self._rows.problem)
        return [problem for problem in found if problem]

    def poll(self, deadline: float) -> bool:
        """Read new records until `deadline`; return whether there is more to read."""
        try:
            if self.path.stat().st_size < self._file.offset:
                self._clear()
            more = self._file.poll(deadline)
            self._unreadable = ""
        except OSError as error:
            self._unreadable = f"{plain(self.path.name, 80)} cannot be read: {error.strerror}."
            return False
        if not more:
            self._show_summary()
        return more

    def _take(self, data: bytes) -> None:
        self._records += 1
        try:
            number, content = messages.record(data)
            if number == messages.HISTORY:
                self._add_history(content)
            elif number == messages.SUMMARY:
                self._add_summary(messages.items(content))
            elif number == messages.CONFIG:
                self._add_config(messages.items(content))
            elif number == messages.STATS:
                self._alive = max(self._alive, messages.stats_time(content))
            elif number == messages.RUN:
                run = messages.run(content)
                self.host, self._start = run.host, self._start or run.start
                self._add_config(run.config)
            elif number == messages.EXIT:
                self.ended = "failed" if messages.exit_code(content) else "finished"
        except ValueError as error:
            self._invalid = f"{plain(self.path.name, 80)} has an invalid record: {plain(error, 80)}."

    def _add_history(self, content: bytes) -> None:
        row = dict(flat(messages.items(content)))
        step = messages.history_step(content)
        if step is not None:
            row["_step"] = step
        self._steps += 1
        for name in self._from_summary & row.keys():
            self._rows.series[""].pop(plain(name, LONGEST_TAG), None)
            self._from_summary.discard(name)
        self._rows.add(row, self._steps)

    def _add_config(self, config: dict[str, Any]) -> None:
        self.settings |= from_values({name: value for name, value in config.items() if name != "_wandb"})

    def _add_summary(self, values: dict[str, Any]) -> None:
        for name, value in flat(values):
            if isinstance(value, float) and len(self._summary) < MOST_TAGS:
                self._summary[name] = value

    def _show_summary(self) -> None:
        known = self._rows.series.get("", {})
        for name in sorted(self._summary):
            if not name.startswith("_") and plain(name, LONGEST_TAG) not in known:
                self._rows.add({name: self._summary[name]}, self._steps)
                self._from_summary.add(name)
