"""Run sweeps in background processes, which survive the terminal."""

import time

from tuitrain.hosts.subprocesses import last_line, start_background_process
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.waiting import stop


def start_sweep_in_background(folder: SweepFolder, parallel: int | None = None, allowed_key: str = "") -> None:
    """Run the sweep in a background process; return when it has started. `parallel` is the number of workers per
    device; None: the sweep's own. `allowed_key` is the `code_key` of code that the user has allowed. Raise RunError if
    the process cannot be started, or ends at once."""
    folder.check_own_files()
    arguments = ["sweep", str(folder.path.absolute())]
    arguments += ["--parallel", str(parallel)] if parallel else []
    arguments += ["--allowed", allowed_key] if allowed_key else []

    def has_session(pid: int) -> bool:
        return any(session.process.pid == pid for session in folder.sessions())

    start_background_process(arguments, folder.log_file, "sweep", has_session)


def stop_sweep(folder: SweepFolder) -> None:
    """Make all processes of the sweep save their runs and exit, and cancel those that Slurm has yet to start; without
    any, stop its runs that the queue trains or will train. Raise RunError if a command cannot be written."""
    folder.update_control(stopped=time.time())
    if folder.submission() is not None:
        from tuitrain.hosts.slurm.stop import cancel_submission

        cancel_submission(folder)
    for outcome in [] if folder.sessions() else SweepIndex(folder).refresh():
        if outcome.run is not None and outcome.status in ACTIVE:
            stop(outcome.run)


def last_error(folder: SweepFolder) -> str:
    """Return the error that ended the last background process of the sweep, or an empty string."""
    prefix, line = "tuitrain: ", last_line(folder.log_file)
    return line.removeprefix(prefix) if line.startswith(prefix) else ""
