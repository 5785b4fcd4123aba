"""Let a run wait until the queue or Slurm starts it, while no process owns it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

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


def wait(folder: RunFolder, waiting: Waiting) -> None:
    """Record what will start the run, in place of any earlier record. Raise RunError if a process owns the run or its
    state cannot be written."""
    with owned(folder):
        state = structs.replace(folder.state(), status="queued", phase="", reason="", process=None, waiting=waiting)
        replace(folder.state_file, encode_pretty(state))


def in_queue(state: State) -> Waiting | None:
    """Return the record of a run that waits in the queue, or None."""
    waiting = state.waiting if state.status == "queued" else None
    return waiting if waiting is not None and waiting.by == "queue" else None


def change(folder: RunFolder, **changes: Any) -> None:
    """Change fields of the record of a run that waits in the queue, such as `held`. Raise RunError if it does not wait,
    or its state cannot be written."""
    try:
        with owned(folder):
            state = folder.state()
            waiting = in_queue(state)
            if waiting is None:
                raise _not_waiting(folder)
            state.waiting = structs.replace(waiting, **changes)
            replace(folder.state_file, encode_pretty(state))
    except OwnedError:
        raise _not_waiting(folder) from None


def cancel(folder: RunFolder) -> None:
    """Take a run out of the queue: a new run becomes `stopped`, any other gets back the status that it had before.
    Raise RunError if the run does not wait in the queue, or its state cannot be written."""
    try:
        with closing(RunWriter(folder)) as writer:
            if writer.waiting is None or writer.waiting.by != "queue":
                raise _not_waiting(folder)
            if writer.waiting.before != "queued":
                writer.restore_state(CANCELLED)
                return
            writer.event("stopped", CANCELLED)
            writer.end(status="stopped", phase="", reason=CANCELLED, process=None, ended=writer.now())
    except OwnedError:
        raise _not_waiting(folder) from None
    except OSError as error:
        raise unwritable(folder, error) from None


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
def owned(folder: RunFolder) -> Iterator[None]:
    """Own the run while the context lasts. Raise OwnedError if a process owns the run, and RunError for an OSError."""
    claim(folder)
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        release(folder)


def unwritable(folder: RunFolder, error: OSError) -> RunError:
    return RunError(f"The state of {plain(folder.id)} cannot be written: {error.strerror}.")


def _not_waiting(folder: RunFolder) -> NotWaitingError:
    return NotWaitingError(f"{plain(folder.id)} does not wait in the queue.", "See: tuitrain queue list")
