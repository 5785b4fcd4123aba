"""Alert the user when a run has ended, and run `notify.command`."""

import subprocess

import msgspec

from tuitrain.files import open_to_append
from tuitrain.hosts.alerts.ended import alert_end
from tuitrain.runs.catalog.result import result
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import log_line

# Seconds after which the command is killed, so that it does not keep the process of an ended run alive.
TIMEOUT = 60.0


def notify(folder: RunFolder, state: State, command: str | None) -> None:
    """Send alerts about a run that has ended to the user's addresses, and run the user's `command`, if any, with the
    result as JSON on stdin and its output in the run's log."""
    if state.active:
        return
    for problem in alert_end(folder, state):
        print(log_line(f"alert: {problem}"), end="")  # noqa: T201
    if command:
        _run(command, folder, state)


def _run(command: str, folder: RunFolder, state: State) -> None:
    document = msgspec.json.encode(result(folder, state)) + b"\n"
    try:
        with open_to_append(folder.log_file) as log:
            completed = subprocess.run(
                command, shell=True, input=document, stdout=log, stderr=log, timeout=TIMEOUT, check=False
            )
        problem = f"ended with status {completed.returncode}" if completed.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"took longer than {TIMEOUT:.0f} s"
    except OSError as error:
        problem = f"cannot be run: {error.strerror}"
    if problem:
        print(log_line(f"notify.command {problem}"), end="")  # noqa: T201
