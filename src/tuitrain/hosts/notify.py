"""Telling someone that a run has ended: `notify.command`."""

import subprocess

import msgspec

from tuitrain.runs.catalog.result import result
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State

# Seconds that the command may take; it must not keep the process of an ended run.
PATIENCE = 60.0


def notify(folder: RunFolder, state: State, command: str | None) -> None:
    """Run the user's command where there is one and the run has ended; what it prints goes to the log."""
    if not command or state.active:
        return
    document = msgspec.json.encode(result(folder, state)) + b"\n"
    try:
        with folder.log_file.open("ab") as log:
            ended = subprocess.run(
                command, shell=True, input=document, stdout=log, stderr=log, timeout=PATIENCE, check=False
            )
        outcome = f"ended with status {ended.returncode}" if ended.returncode else ""
    except subprocess.TimeoutExpired:
        outcome = f"took longer than {PATIENCE:.0f} s"
    except OSError as error:
        outcome = f"could not be run: {error.strerror}"
    if outcome:
        print(f"notify.command {outcome}")  # noqa: T201
