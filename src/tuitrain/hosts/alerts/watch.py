"""Watch the runs of a folder, whoever trains them, and find what deserves an alert."""

from collections import deque
from collections.abc import Iterable, Iterator
from math import inf, isfinite
from pathlib import Path
from statistics import median

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.analysis.health import LOW_DISK
from tuitrain.errors import RunError
from tuitrain.hosts.alerts.deliver import Kind
from tuitrain.hosts.alerts.ended import describe
from tuitrain.machine.gpus import Gpus
from tuitrain.machine.load import disk
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.follower import Follower
from tuitrain.runs.process import SILENCE
from tuitrain.runs.records import ACTIVE
from tuitrain.text import plain

# A run has stalled if it makes no step for this many times its usual interval, and for at least this many seconds; or
# for an hour while its usual interval is unknown.
TIMES, LEAST, UNKNOWN = 20.0, 300.0, 3600.0
# Intervals between steps to keep, and the number needed for a median.
KNOWN, NEEDED = 20, 3
# A GPU is idle if a run holds it and uses less than this share of it for this many seconds.
IDLE_USE, IDLE_SECONDS = 0.05, 900.0
# Seconds per look to read new runs.
_READ = 2.0


class Alert(Struct, frozen=True):
    title: str
    text: str
    kind: Kind


class Watched:
    """A run as the watcher has seen it since its first look."""

    def __init__(self, run: Entry, now: float) -> None:
        self.status = run.status
        self._step, self._since = _progress(run), now
        self._intervals: deque[float] = deque(maxlen=KNOWN)
        self._stalled = self._not_finite = False
        self._follower: Follower | None = None

    def stalled(self, run: Entry, now: float) -> str:
        """Return how long the run has made no step, once per stall; an empty string if it has not stalled."""
        step = _progress(run)
        if step != self._step or run.status != "running":
            if run.status == "running" and not self._stalled:
                self._intervals.append(now - self._since)
            self._step, self._since, self._stalled = step, now, False
            return ""
        known = len(self._intervals) >= NEEDED
        limit = max(LEAST, TIMES * median(self._intervals)) if known else UNKNOWN
        if self._stalled or now - self._since < limit:
            return ""
        self._stalled = True
        return f"no step for {units.duration(now - self._since)}"

    def not_finite(self, run: Entry) -> str:
        """Return a message if the training loss is not a number, once. tuitrain's own runs fail by themselves."""
        if self._not_finite or run.status != "running" or not _by_others(run):
            return ""
        self._follower = self._follower or follow(run.folder, brief=True)
        self._follower.poll()
        losses = self._follower.train["loss"]
        self._not_finite = bool(losses) and not isfinite(losses[-1])
        return (
            f"the training loss is {losses[-1]} at step {self._follower.train.step[-1]:,}" if self._not_finite else ""
        )


class Watcher:
    """A watcher that finds alerts in the runs of a folder. It ignores runs that ended before its first look, except
    those that were still active at the time `since`, when the watcher before it looked last."""

    def __init__(self, folder: Path, since: float = inf) -> None:
        self._folder, self._index, self._since = folder, RunIndex(folder), since
        self._watched: dict[str, Watched] = {}
        self._idle: dict[int, float] = {}
        self._reported_idle: set[int] = set()
        self._disk_is_low = False

    def look(self, now: float, gpus: Gpus | None = None) -> list[Alert]:
        """Return the new alerts at the time `now`, in seconds. Raise RunError if the folder cannot be read."""
        # A network file system that is away for a while is no folder without runs, also if it leaves an empty folder.
        check_exists(self._folder)
        runs = self._index.refresh(_READ)
        if self._watched and not runs:
            return []
        return [*self._changes(runs, now), *self._low_disk(), *self._idle_gpus(gpus, now)]

    @property
    def active(self) -> int:
        """The number of runs that were active at the last look."""
        return sum(watched.status in ACTIVE for watched in self._watched.values())

    def _changes(self, runs: Iterable[Entry], now: float) -> Iterator[Alert]:
        present = set()
        for run in runs:
            present.add(run.folder.id)
            watched = self._watched.get(run.folder.id)
            if watched is None:
                watched = self._watched[run.folder.id] = Watched(run, now)
                if _last_active(run) < self._since:
                    continue
                watched.status = "running"
            if watched.status in ACTIVE and (ended := _ended(run)):
                yield ended
            watched.status = run.status
            for text in (watched.stalled(run, now), watched.not_finite(run)):
                if text:
                    yield Alert(f"{plain(run.info.name, 100)}: {text}", describe(run.folder, run.state), "warning")
        for gone in self._watched.keys() - present:
            del self._watched[gone]

    def _low_disk(self) -> Iterator[Alert]:
        space = disk(self._folder)
        low = space is not None and space.free < (2 if self._disk_is_low else 1) * LOW_DISK
        if space is not None and low and not self._disk_is_low:
            title = f"only {units.size(space.free)} of disk space left"
            yield Alert(title, f"at {plain(self._folder.absolute(), 300)}", "warning")
        self._disk_is_low = low

    def _idle_gpus(self, gpus: Gpus | None, now: float) -> Iterator[Alert]:
        for gpu in gpus.devices if gpus else ():
            names = ", ".join(user.run for user in gpu.users if user.run)
            if not names or gpu.use is None or gpu.use >= IDLE_USE:
                self._idle.pop(gpu.index, None)
                self._reported_idle.discard(gpu.index)
                continue
            since = self._idle.setdefault(gpu.index, now)
            if now - since >= IDLE_SECONDS and gpu.index not in self._reported_idle:
                self._reported_idle.add(gpu.index)
                title = f"GPU {gpu.index} has been idle for {units.duration(now - since)}"
                yield Alert(title, f"although {plain(names, 200)} holds it", "warning")


def check_exists(folder: Path) -> None:
    """Raise RunError if the folder of runs does not exist."""
    if not folder.is_dir():
        raise RunError(f"There is no folder {plain(folder)}.", "Give the folder of the runs: tuitrain watch FOLDER")


def _ended(run: Entry) -> Alert | None:
    """Return the alert for a run that was active before; None if it needs none. The process of a tuitrain run reports
    the end itself unless it was killed, and users know which runs they stopped."""
    reports_itself = not _by_others(run) and run.status in ("finished", "failed")
    if run.status in (*ACTIVE, "stopped") or reports_itself:
        return None
    kind: Kind = "success" if run.status == "finished" else "failure"
    return Alert(f"{plain(run.info.name, 100)} {run.status}", describe(run.folder, run.state), kind)


def _by_others(run: Entry) -> bool:
    """Return whether another program trains the run."""
    return run.folder.read_only


def _last_active(run: Entry) -> float:
    """Return the last time at which a run was active, or may have been."""
    # A run of another tool counts as running for a while after its newest value.
    return run.state.heartbeat + (0 if run.folder.editable else SILENCE)


def _progress(run: Entry) -> tuple[int, int, str, float]:
    # The heartbeat of a run of another tool is the time of its newest value.
    newest = 0.0 if run.folder.editable else run.state.heartbeat
    return run.state.step, run.state.epoch, run.state.phase, newest
