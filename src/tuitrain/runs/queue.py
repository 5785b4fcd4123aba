"""The queue of a runs folder on disk: `RUNS/.queue/`. The `state.json` of each run records whether it waits.

HOST.owner      the process that runs the queue on this machine
HOST.json       its devices and its heartbeat
control.json    the user's last command to stop
log.txt         output of queues in the background
"""

import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import check_own_folder, replace
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.files import read_json
from tuitrain.runs.owner import OwnedError, claim_file, read_owner, release_file
from tuitrain.runs.process import Process, alive, this_process
from tuitrain.runs.waiting import in_queue
from tuitrain.text import plain


class QueueSession(Struct, frozen=True):
    """A process that runs the queue on `devices`: a name for each run that may train at the same time."""

    process: Process
    began: float
    heartbeat: float
    devices: tuple[str, ...] = ()


class QueueControl(Struct, frozen=True):
    """`stopped` is the time of the last stop command. A queue ends when it changes."""

    stopped: float = 0.0


class QueueFolder:
    """The files of the queue of a runs folder. Every method that writes raises RunError if that fails."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.path = runs_dir / ".queue"
        self.control_file = self.path / "control.json"
        self.log_file = self.path / "log.txt"

    def create(self) -> None:
        try:
            check_own_folder(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(error) from None

    def claim(self) -> None:
        """Make this process the only queue on this machine. Raises OwnedError, which names the other one."""
        self.create()
        try:
            claim_file(self._owner_file)
        except OwnedError:
            owner = read_owner(self._owner_file)
            who = f"Process {owner.process.pid}" if owner else "Another process"
            raise OwnedError(
                f"{who} already runs the queue of {plain(self.runs_dir)} on this machine.",
                "See: tuitrain queue list. Stop it: tuitrain queue stop",
            ) from None

    def release(self) -> None:
        with suppress(OSError):
            self._session_file.unlink(missing_ok=True)
        release_file(self._owner_file)

    def update_session(self, began: float, devices: tuple[str, ...]) -> None:
        """Record the devices of this process, and its heartbeat."""
        self._write(self._session_file, QueueSession(this_process(), began, time.time(), devices))

    def sessions(self) -> list[QueueSession]:
        """Return the queues that are running, on all machines."""
        found = []
        for path in sorted(self.path.glob("*.json")):
            with suppress(RunError):
                session = read_json(path, QueueSession) if path != self.control_file else None
                if session is not None and alive(session.process, session.heartbeat):
                    found.append(session)
        return found

    def control(self) -> QueueControl:
        with suppress(RunError):
            return read_json(self.control_file, QueueControl)
        return QueueControl()

    def stop(self) -> None:
        """End all queues of the runs folder, on all machines. Runs that have started keep training."""
        self._write(self.control_file, QueueControl(time.time()))

    @property
    def _owner_file(self) -> Path:
        return self.path / f"{platform.node()}.owner"

    @property
    def _session_file(self) -> Path:
        return self.path / f"{platform.node()}.json"

    def _write(self, path: Path, content: Struct) -> None:
        try:
            check_own_folder(self.path)
            replace(path, msgspec.json.encode(content))
        except OSError as error:
            raise _unwritable(error) from None


def waiting_runs(entries: Iterable[Entry]) -> list[Entry]:
    """Return the runs that wait in the queue, in the order in which the queue starts them, then those on hold."""
    found = [(waiting, entry) for entry in entries if (waiting := in_queue(entry.state)) and entry.status == "queued"]
    found.sort(key=lambda one: (one[0].held, -one[0].priority, one[0].since, one[1].folder.id))
    return [entry for _, entry in found]


def _unwritable(error: OSError) -> RunError:
    return RunError(f"The queue cannot be written: {error.strerror}.", "Choose another folder with --runs-dir.")
