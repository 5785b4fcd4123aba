"""Let a run wait until the queue or Slurm starts it, while no process owns it."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Literal

from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError, claim, release
from tuitrain.runs.records import State, Waiting
from tuitrain.runs.writer import RunWriter, encode_pretty
from tuitrain.text import plain

CANCELLED = "Cancelled before it started."


class NotWaitingError(RunError):
    """The run no longer waits in the queue, or it is held."""


def waits_for(state: State, by: Literal["queue", "slurm"]) -> Waiting | None:
    """Return the record of a run that waits for the queue or for Slurm, or None."""
    waiting = state.waiting if state.status == "queued" else None
    return waiting if waiting is not None and waiting.by == by else None


def in_queue(state: State) -> Waiting | None:
    """Return the record of a run that waits in the queue, or None."""
    return waits_for(state, "queue")


def wait(folder: RunFolder, waiting: Waiting, **changes: Any) -> None:
    """Record what will start the run, in place of any earlier record, and other `changes` of its state. Raise RunError
    if a process owns the run or its state cannot be written."""
    changes |= {"status": "queued", "phase": "", "reason": "", "process": None, "waiting": waiting}
    change_state(folder, lambda state: structs.replace(state, **changes))


def change_state(folder: RunFolder, change: Callable[[State], State]) -> None:
    """Replace the state of a run that no process owns. Raise RunError if one does, or if the state cannot be
    written."""
    with _owned(folder):
        before = folder.state()
        after = change(before)
        if after != before:
            replace(folder.state_file, encode_pretty(after))


def change(folder: RunFolder, **changes: Any) -> None:
    """Change fields of the record of a run that waits in the queue, such as `held`. Raise RunError if it does not wait,
    or its state cannot be written."""

    def changed(state: State) -> State:
        waiting = in_queue(state)
        if waiting is None:
            raise _not_waiting(folder)
        return structs.replace(state, waiting=structs.replace(waiting, **changes))

    try:
        change_state(folder, changed)
    except OwnedError:
        raise _not_waiting(folder) from None


def end_waiting(
    folder: RunFolder, by: Literal["queue", "slurm"], status: Literal["stopped", "failed"], reason: str
) -> State | None:
    """Record that the queue or Slurm will not start the run, and why; return its state. A run that had ended before it
    waited gets back the status that it had. Return None if the run does not wait for it. Raise RunError if its files
    cannot be written."""
    with closing(RunWriter(folder)) as writer:
        if writer.waiting is None or writer.waiting.by != by:
            return None
        if writer.waiting.before == "queued":
            record_end(writer, status, reason)
            return writer.state
        try:
            writer.restore_state(reason)
        except OSError as error:
            raise _unwritable(folder, error) from None
        return writer.state


def record_end(writer: RunWriter, status: Literal["stopped", "failed"], reason: str) -> None:
    """End a run that does not train. Raise RunError if its files cannot be written."""
    try:
        writer.event(status, reason)
        writer.log(reason)
        writer.end(status=status, reason=reason, phase="", process=None, ended=writer.now())
    except OSError as error:
        raise _unwritable(writer.folder, error) from None


def cancel(folder: RunFolder) -> None:
    """Take a run out of the queue: a new run becomes `stopped`, any other gets back the status that it had before.
    Raise RunError if the run does not wait in the queue, or its state cannot be written."""
    try:
        if end_waiting(folder, "queue", "stopped", CANCELLED) is None:
            raise _not_waiting(folder)
    except OwnedError:
        raise _not_waiting(folder) from None


def stop(folder: RunFolder) -> None:
    """Cancel a run that waits in the queue, or send it the stop command if it has started. Raise RunError if neither
    can be written."""
    if in_queue(folder.state()):
        with suppress(NotWaitingError):
            cancel(folder)
            return
    send(folder, "stop")


def check_startable(folder: RunFolder, waiting: Waiting | None) -> None:
    """Raise NotWaitingError unless the queue may start the run."""
    if waiting is None or waiting.by != "queue":
        raise _not_waiting(folder)
    if waiting.held:
        raise NotWaitingError(f"{plain(folder.id)} is held.", f"Release it: tuitrain queue release {plain(folder.id)}")


@contextmanager
def _owned(folder: RunFolder) -> Iterator[None]:
    """Own the run while the context lasts. Raise OwnedError if a process owns the run, and RunError for an OSError."""
    claim(folder)
    try:
        yield
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        release(folder)


def _unwritable(folder: RunFolder, error: OSError) -> RunError:
    return RunError(f"The state of {plain(folder.id)} cannot be written: {error.strerror}.")


def _not_waiting(folder: RunFolder) -> NotWaitingError:
    return NotWaitingError(f"{plain(folder.id)} does not wait in the queue.", "See: tuitrain queue list")
