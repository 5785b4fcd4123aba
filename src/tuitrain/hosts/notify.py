"""Run `notify.command` when a run has ended."""

import subprocess

import msgspec

from tuitrain.files import open_to_append
from tuitrain.runs.catalog.result import result
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State

# Seconds after which the command is killed, so that it does not keep the process of an ended run alive.
TIMEOUT = 60.0


def notify(folder: RunFolder, state: State, command: str | None) -> None:
    """Run the user's `command`, if any, with the result of an ended run as JSON on stdin and its output in the log."""
    if not command or state.active:
        return
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
        print(f"notify.command {problem}")  # noqa: T201
