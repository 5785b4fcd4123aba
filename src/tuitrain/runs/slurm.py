"""Record that a run waits for a Slurm job, and how the wait ended, while no process owns the run."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import structs

from tuitrain.files import replace
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import State, Waiting
from tuitrain.runs.waiting import owned, unwritable
from tuitrain.runs.writer import RunWriter, encode_pretty

# Seconds in which Slurm may requeue a job after its run was killed.
LOST = 3600.0


def waits_for_slurm(state: State) -> Waiting | None:
    """Return the record of a run that Slurm has yet to start, or None."""
    return state.waiting if state.status == "queued" and state.waiting and state.waiting.by == "slurm" else None


def waiting_runs(runs: Iterable[tuple[RunFolder, State]]) -> list[RunFolder]:
    """Return the runs that wait for Slurm, and those whose job Slurm may have requeued."""
    return [folder for folder, state in runs if waits_for_slurm(state) or is_lost(state)]


def is_lost(state: State) -> bool:
    """Return whether a job was killed less than `LOST` seconds ago, before it could save the run. Slurm may have
    requeued it."""
    if state.slurm is None or abs(time.time() - state.heartbeat) > LOST:
        return False
    return shown_status(state) == "interrupted"


def wait_for_slurm(folder: RunFolder, waiting: Waiting, **changes: Any) -> None:
    """Record the job that will start the run, in place of any earlier record, and other `changes` of its state. Raise
    RunError if a process owns the run or its state cannot be written."""
    changes |= {"status": "queued", "phase": "", "reason": "", "process": None, "waiting": waiting}
    change_state(folder, lambda state: structs.replace(state, **changes))


def change_waiting(folder: RunFolder, **changes: Any) -> None:
    """Change the record of a run, if it still waits. Raise RunError like `wait_for_slurm`."""

    def changed(state: State) -> State:
        waiting = waits_for_slurm(state)
        return structs.replace(state, waiting=structs.replace(waiting, **changes)) if waiting else state

    change_state(folder, changed)


def change_state(folder: RunFolder, change: Callable[[State], State]) -> None:
    """Replace the state of a run that no process owns. Raise RunError if one does, or if the state cannot be
    written."""
    with owned(folder):
        before = folder.state()
        after = change(before)
        if after != before:
            replace(folder.state_file, encode_pretty(after))


def end_waiting(folder: RunFolder, status: Literal["stopped", "failed"], reason: str) -> State | None:
    """Record that Slurm will not start the run, and why; return its state. A run that had ended before it waited gets
    back the status that it had. Return None if the run does not wait. Raise RunError if its files cannot be written."""
    writer = RunWriter(folder)
    try:
        if writer.waiting is None or writer.waiting.by != "slurm":
            return None
        if writer.waiting.before == "queued":
            record_end(writer, status, reason)
        else:
            writer.restore_state(reason)
        return writer.state
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        writer.close()


def end_lost(folder: RunFolder, reason: str) -> None:
    """Record that a run failed because its job was killed, and how, unless another process has continued the run."""
    writer = RunWriter(folder)
    try:
        if is_lost(writer.previous):
            record_end(writer, "failed", reason)
    finally:
        writer.close()


def record_end(writer: RunWriter, status: Literal["stopped", "failed"], reason: str) -> None:
    """End a run that does not train. Raise RunError if its files cannot be written."""
    try:
        writer.event(status, reason)
        writer.log(reason)
        writer.end(status=status, reason=reason, phase="", process=None, ended=writer.now())
    except OSError as error:
        raise unwritable(writer.folder, error) from None
