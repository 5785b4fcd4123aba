"""A run in a process of its own, in a session of its own: it outlives the terminal."""

import subprocess
import sys
import time

from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter
from tuitrain.text import plain

# Seconds that a new process has to take hold of its run.
PATIENCE = 20.0


def start_in_background(request: RunSpec) -> RunFolder:
    """Make the run and leave it to a process of its own. Raises RunError where either fails."""
    folder = create_run(request)
    resume_in_background(folder)
    return folder


def resume_in_background(folder: RunFolder, epochs: int | None = None, since: int | None = None) -> None:
    """Train on in a process of its own; returns as soon as that holds the run. `since` is where in the control file its
    commands begin; None: with those that are yet to come. Raises RunError where it does not come to that."""
    folder.refuse_links()
    # -P: a file of the user's that is called torch.py must not stand in for torch.
    command = [sys.executable, "-P", "-m", "tuitrain", "work", str(folder.path.absolute())]
    command += ["--epochs", str(epochs)] if epochs else []
    command += ["--since", str(since)] if since is not None else []
    try:
        with folder.log_file.open("ab") as log:
            # A session of its own and no stream of ours: neither SIGHUP nor a closed terminal reaches it.
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
            )
    except OSError as error:
        raise _failed(folder, f"No process can be started for the run: {error.strerror}.") from None
    deadline = time.monotonic() + PATIENCE
    while not _taken(folder, child.pid) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if child.poll() not in (None, 0) and not _taken(folder, child.pid):
        lines = folder.log_file.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        raise _failed(folder, f"The run's process ended at once: {plain(lines[-1]) or f'status {child.returncode}'}")


def _taken(folder: RunFolder, pid: int) -> bool:
    """Whether that process writes the run, or has written it."""
    process = folder.state().process
    return process is not None and process.pid == pid


def _failed(folder: RunFolder, reason: str) -> RunError:
    """What goes wrong stands in the run, too, where that waited for its process. Raises RunError where another process
    has the run."""
    writer = RunWriter(folder)
    try:
        if writer.state.status == "queued":
            writer.event("failed", reason)
            writer.end(status="failed", reason=reason, phase="", ended=time.time())
    finally:
        writer.close()
    return RunError(reason)
