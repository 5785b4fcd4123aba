"""A run from its folder to its end, whatever that end is."""

import time
import traceback
from collections.abc import Callable

import torch

from tuitrain.errors import RunError, TuitrainError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State, Status
from tuitrain.runs.writer import RunWriter
from tuitrain.text import plain
from tuitrain.training.control import Detached, Stopped
from tuitrain.training.loop import Loop
from tuitrain.training.provenance import run_info
from tuitrain.training.setup import Setup

# What must be the same for a resumed run to end as an uninterrupted one, to the last bit.
BIT_EXACT_FIELDS = ("device", "threads", "versions", "flags")
# What must be the same for it to learn from the same images.
DATA_FIELDS = ("classes", "sizes", "mean", "std")
# How allocators and libraries say that there is no memory, where torch has no exception of its own for it.
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "_STATUS_ALLOC_FAILED")
# How a run ends, and why.
Ending = tuple[Status, str]


def train_run(
    folder: RunFolder,
    prepare: Callable[[], Setup],
    inbox: Inbox,
    epochs: int | None = None,
    writer: RunWriter | None = None,
) -> State:
    """Train a run, from its last checkpoint where there is one; its state says how it ended, and why.

    `epochs` takes the place of the number that the run was to have; `writer` is there where this process holds the run
    already. Handed over, the run is queued, with the phase `paused` where it is to be held again. Raises RunError where
    another process writes the run, where a run that was taken up could not be trained on, and where not even the end
    can be written.
    """
    writer = writer or RunWriter(folder)
    loops: list[Loop] = []

    def train() -> Ending:
        writer.update(status="running", phase="preparing", reason="", ended=None)
        loop = Loop(prepare(), writer, inbox, epochs)
        loops.append(loop)
        restore_run(loop)
        loop.run()
        return "finished", loop.progress.over

    try:
        ending = ending_of(writer, train, lambda: str(loops[0].setup.device) if loops else "the device")
        assert ending is not None
        try:
            record_ending(writer, ending, loops[0] if loops else None)
        except OSError as error:
            why = f"The run's folder cannot be written any more: {error.strerror}. {ending[1]}"
            raise RunError(why.rstrip()) from None
    finally:
        writer.close()
    return writer.state


def record_ending(writer: RunWriter, ending: Ending, loop: Loop | None) -> None:
    """The last row of the run, and its last state. One that was taken up, and failed before its first step, is again
    what it was. Raises RunError there, and OSError where not even that can be written."""
    status, reason = ending
    if status == "failed" and writer.taken_up and not (loop and loop.has_progressed):
        writer.put_back(reason)
        raise RunError(reason)
    try:
        writer.event("detached" if status == "queued" else status, reason)
    except OSError as error:
        status, reason = "failed", f"{reason} Writing failed: {error.strerror}.".strip()
    writer.log(f"{status}. {reason}".rstrip())
    ended = None if status == "queued" else time.time()
    phase = "paused" if status == "queued" and writer.state.status == "paused" else ""
    writer.end(status=status, reason=reason, phase=phase, ended=ended)


def ending_of(writer: RunWriter, action: Callable[[], Ending | None], device: Callable[[], str]) -> Ending | None:
    """What `action` returns, or how the run ends of what is raised there; `device` is for the user to read."""
    try:
        return action()
    except Stopped as stopped:
        return "stopped", plain(stopped) or "Stopped by the user."
    except Detached:
        return "queued", ""
    except TuitrainError as error:
        # What lies behind it is often the user's own code.
        if error.__cause__ is not None:
            _log_traceback(writer)
        return "failed", str(error)
    except OSError as error:
        return "failed", f"Reading or writing failed: {plain(error)}. What was saved last is kept."
    except Exception as error:
        if _no_memory(error):
            return "failed", (
                f"Out of memory on {device()}. Try a smaller data.batch_size with optimizer.accumulate,"
                " or training.precision=bf16."
            )
        _log_traceback(writer)
        return "failed", f"{type(error).__name__}: {plain(error)} The log of the run has the details."


def _no_memory(error: Exception) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def _log_traceback(writer: RunWriter) -> None:
    for line in traceback.format_exc().splitlines():
        writer.log(line, detail=True)


def restore_run(loop: Loop) -> None:
    """Bring the loop to where the run is. Keep what the run is made with; say where that differs from what it was made
    with before. Raises RunError where the run's checkpoint is none that the loop can go on from."""
    writer, before, now = loop.writer, loop.writer.folder.info(), run_info(loop.setup)
    if before.layers:
        for name in (*BIT_EXACT_FIELDS, *DATA_FIELDS):
            was, is_ = getattr(before, name), getattr(now, name)
            # What an older version did not record differs from nothing.
            if was and was != is_:
                writer.event("differs", f"{name}: {plain(was)} before, {plain(is_)} now")
                what = (
                    "these are not the images it has learnt from"
                    if name in DATA_FIELDS
                    else "the result may differ in its last bits"
                )
                writer.log(f"{name} was {plain(was)} and is {plain(is_)}: {what}")
    loop.restore()
    writer.info(now)
    for note in now.data_notes:
        writer.log(f"data: {plain(note)}")
