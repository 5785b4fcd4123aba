"""Record that a run waits for a Slurm job, and how the wait ended, while no process owns the run."""

import time
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Literal

from msgspec import structs

from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import State, Waiting
from tuitrain.runs.waiting import change_state, record_end, waits_for
from tuitrain.runs.writer import RunWriter

# Seconds in which Slurm is asked what became of the job of a run that was killed.
LOST = 7 * 86400.0


def waits_for_slurm(state: State) -> Waiting | None:
    """Return the record of a run that Slurm has yet to start, or None."""
    return waits_for(state, "slurm")


def waiting_runs(runs: Iterable[tuple[RunFolder, State]]) -> list[RunFolder]:
    """Return the runs that wait for Slurm, and those whose job Slurm may have requeued."""
    return [folder for folder, state in runs if waits_for_slurm(state) or is_lost(state)]


def is_lost(state: State) -> bool:
    """Return whether a job was killed less than `LOST` seconds ago, before it could record how the run ended. Slurm may
    have requeued it."""
    if state.slurm is None or abs(time.time() - state.heartbeat) > LOST:
        return False
    return shown_status(state) == "interrupted"


def change_waiting(folder: RunFolder, **changes: Any) -> None:
    """Change the record of a run, if it still waits. Raise RunError like `wait`."""

    def changed(state: State) -> State:
        waiting = waits_for_slurm(state)
        return structs.replace(state, waiting=structs.replace(waiting, **changes)) if waiting else state

    change_state(folder, changed)


def end_lost(folder: RunFolder, status: Literal["stopped", "failed"], reason: str) -> None:
    """Record how a run ended whose job was killed, unless another process has continued it."""
    with closing(RunWriter(folder)) as writer:
        if is_lost(writer.previous):
            writer.update(slurm=writer.previous.slurm)
            record_end(writer, status, reason)
