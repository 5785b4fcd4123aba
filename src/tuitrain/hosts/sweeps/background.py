"""Run sweeps in background processes, which survive the terminal."""

import time

from tuitrain.errors import RunError
from tuitrain.hosts.subprocesses import last_line, start_detached
from tuitrain.runs.sweeps.folder import SweepFolder

# Seconds to wait until a new process has registered with the sweep.
START_TIMEOUT = 60.0


def start_sweep_in_background(folder: SweepFolder, parallel: int | None = None) -> None:
    """Run the sweep in a background process; return when it has started. `parallel` is the number of workers per
    device; None: the sweep's own. Raise RunError if the process cannot be started, or ends at once."""
    arguments = ["sweep", str(folder.path.absolute())]
    arguments += ["--parallel", str(parallel)] if parallel else []
    child = start_detached(arguments, folder.log_file)
    deadline = time.monotonic() + START_TIMEOUT
    while child.poll() is None and time.monotonic() < deadline:
        if any(session.process.pid == child.pid for session in folder.sessions()):
            return
        time.sleep(0.05)
    if child.poll() not in (None, 0):
        raise RunError(f"The sweep's process ended at once: {last_error(folder) or last_line(folder.log_file)}")


def stop_sweep(folder: SweepFolder) -> None:
    """Make all processes of the sweep save their runs and exit. Raise RunError if the command cannot be written."""
    folder.update_control(stopped=time.time())


def last_error(folder: SweepFolder) -> str:
    """Return the error that ended the last background process of the sweep, or an empty string."""
    prefix, line = "tuitrain: ", last_line(folder.log_file)
    return line.removeprefix(prefix) if line.startswith(prefix) else ""
