"""Start the runs of a queue, each in a background process that owns its slots, and the queue itself."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tuitrain.hosts.background import owned_by, record_failure
from tuitrain.hosts.queue.slots import Slot
from tuitrain.hosts.subprocesses import START_TIMEOUT, last_line, start_background_process, start_detached
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.queue import QueueFolder
from tuitrain.runs.waiting import in_queue

# The exit status of a process that did not start its run: another process owns it or a slot, or it does not wait.
NOT_STARTED = 75


def start_run(
    folder: RunFolder, slots: Sequence[Slot], threads: int | None = None, leaving: Callable[[], bool] = lambda: False
) -> bool:
    """Train a waiting run in a background process that owns `slots`; return whether that process owns the run or, when
    `leaving`, is about to. Raise RunError if the run cannot be started, which its state then records."""
    folder.check_own_files()
    arguments = ["work", str(folder.path.absolute()), "--device", ",".join(slot.device for slot in slots)]
    arguments += [word for slot in slots for word in ("--slot", slot.key)]
    arguments += ["--threads", str(threads)] if threads else []
    waiting = in_queue(folder.state())
    if waiting is not None and waiting.epochs:
        arguments += ["--epochs", str(waiting.epochs), "--schedule", waiting.schedule]
    child = start_detached(arguments, folder.log_file)
    deadline = time.monotonic() + START_TIMEOUT
    while not owned_by(folder, child.pid) and child.poll() is None and time.monotonic() < deadline:
        if leaving():
            return True
        time.sleep(0.02)
    if owned_by(folder, child.pid):
        return True
    if child.poll() in (None, NOT_STARTED):
        return False
    reason = last_line(folder.log_file).removeprefix("tuitrain: ") or f"status {child.returncode}"
    raise record_failure(folder, f"The run's background process ended during its start: {reason}")


def start_queue_in_background(runs_dir: Path, devices: str | None, per_device: int, *, keep: bool) -> None:
    """Run the queue in a background process; return when it has started. Raise OwnedError if this machine
    already runs one for this runs folder, and RunError if the process ends at once."""
    folder = QueueFolder(runs_dir)
    # Raise the error that names the other queue here: the background process could only log it.
    folder.claim()
    folder.release()
    arguments = ["queue", "--runs-dir", str(runs_dir.absolute()), "--per-device", str(per_device)]
    arguments += ["--devices", devices] if devices else []
    arguments += ["--keep"] if keep else []

    def has_session(pid: int) -> bool:
        return any(session.process.pid == pid for session in folder.sessions())

    start_background_process(arguments, folder.log_file, "queue", has_session)
