"""Runs of other tools as read-only run folders."""

import time
from time import monotonic
from typing import TYPE_CHECKING

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.external.format import Format, Found
from tuitrain.runs.external.source import Source
from tuitrain.runs.folder import RunFolder, Stamp
from tuitrain.runs.process import SILENCE
from tuitrain.runs.records import Evaluation, RunInfo, State
from tuitrain.text import listed, plain

if TYPE_CHECKING:
    from tuitrain.runs.external.follower import ExternalFollower


class SourceFolder(RunFolder):
    """A run that another program trained, and that a `Source` reads."""

    read_only = True

    @property
    def title(self) -> str:
        """What the run is read from."""
        raise NotImplementedError

    def source(self) -> Source:
        """Return a reader of the run that has not read anything yet."""
        raise NotImplementedError

    def follow(self, *, brief: bool = False) -> "ExternalFollower":
        """Return a follower of the run; for `brief` see `Follower`."""
        from tuitrain.runs.external.follower import ExternalFollower

        return ExternalFollower(self, brief=brief)

    def config(self) -> Config:
        return Config()


class ExternalFolder(SourceFolder):
    """A run that another tool wrote. Its content is read on first use and kept in memory until `forget`."""

    editable = False

    def __init__(self, format: Format, run: Found, id: str = "") -> None:
        super().__init__(run.path)
        self.id = id or run.name or run.path.absolute().name
        self._format, self._found = format, run
        # What else is in the folder may come later.
        self.origin = (format.title, run._replace(beside=()))
        self._name = ""
        self._run: ExternalFollower | None = None

    def name(self) -> str:
        """Return the name that the tool gave the run, or the last part of the id, which fits into a table column."""
        self._name = self._name or self._format.name(self._found)
        return self._name or plain(self.id.rpartition("/")[2])

    def advance(self, seconds: float) -> bool:
        """Read the files for about `seconds`; return whether all are read."""
        if self._run is None:
            self._run = self.follow(brief=True)
        deadline = monotonic() + seconds
        while self._run.poll(min(1.0, max(0.0, deadline - monotonic()))):
            if monotonic() > deadline:
                return False
        return True

    def forget(self) -> None:
        self._run = None

    def _read(self) -> "ExternalFollower":
        if self._run is None:
            self.advance(float("inf"))
        assert self._run is not None
        if self._run.problem:
            raise RunError(self._run.problem)
        return self._run

    def info(self) -> RunInfo:
        return self._read().info

    def state(self) -> State:
        return self._read().state

    @property
    def title(self) -> str:
        beside = listed(self._found.beside)
        return f"{self._format.title}, not shown: {beside}" if beside else self._format.title

    def source(self) -> Source:
        return self._format.open(self._found)

    def start_key(self) -> str:
        """Return a sort key by start time."""
        try:
            return self._format.start_key(self._found)
        except OSError:
            return ""

    def stamp(self) -> Stamp:
        try:
            stats = [path.stat() for path in self._format.files(self._found)]
        except OSError:
            return ()
        live = any(time.time() - stat.st_mtime < 2 * SILENCE for stat in stats)
        # A run counts as ended after a time without new values, although no file changes then.
        return (*((stat.st_mtime_ns, stat.st_size) for stat in stats), (int(time.time() / 30) if live else 0, 0))

    def evaluation(self, split: str, checkpoint: str = "last") -> Evaluation | None:  # noqa: ARG002
        return None

    def predictions(self, split: str, checkpoint: str = "last") -> None:  # noqa: ARG002
        return None
