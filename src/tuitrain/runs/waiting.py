"""Let a run wait until the queue or Slurm starts it, while no process owns it."""

from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import claim, release
from tuitrain.runs.records import Waiting
from tuitrain.runs.writer import encode_pretty


def wait(folder: RunFolder, waiting: Waiting) -> None:
    """Record what will start the run, in place of any earlier record. Raise RunError if a process owns the run or its
    state cannot be written."""
    claim(folder)
    try:
        state = structs.replace(folder.state(), status="queued", phase="", reason="", process=None, waiting=waiting)
        replace(folder.state_file, encode_pretty(state))
    except OSError as error:
        raise RunError(f"The state of {folder.id} cannot be written: {error.strerror}.") from None
    finally:
        release(folder)
