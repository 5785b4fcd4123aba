"""A run from its folder to its end, whatever that end is."""

import time
import traceback

import torch

from tuitrain.errors import TuitrainError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State, Status
from tuitrain.runs.writer import RunWriter
from tuitrain.text import plain
from tuitrain.training.job import Job
from tuitrain.training.loop import Loop, Stopped


def work(job: Job, folder: RunFolder, inbox: Inbox | None = None) -> State:
    """Train until the run is finished, stopped or failed; its state says which, and why. Raises only KeyboardInterrupt
    and SystemExit, and OSError where not even the end can be written."""
    writer = RunWriter(folder, folder.state())
    for note in job.dataset.notes:
        writer.log(f"data: {plain(note)}")
    try:
        status, reason = _outcome(Loop(job, writer, inbox or Inbox(folder)), writer)
        writer.log(f"{status}. {reason}".rstrip())
        writer.event(status, reason)
        writer.update(status=status, reason=reason, phase="", ended=time.time(), now=True)
    finally:
        writer.close()
    return writer.state


def _outcome(loop: Loop, writer: RunWriter) -> tuple[Status, str]:
    try:
        loop.run()
    except Stopped:
        return "stopped", "Stopped by the user."
    except TuitrainError as error:
        return "failed", str(error)
    except (torch.OutOfMemoryError, MemoryError):
        return "failed", (
            f"Out of memory on {loop.job.device}. Try a smaller data.batch_size with optimizer.accumulate,"
            " or training.precision=bf16."
        )
    except OSError as error:
        return "failed", f"Reading or writing failed: {plain(error)}."
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            writer.log(line)
        return "failed", f"{type(error).__name__}: {plain(error)} The log of the run has the details."
    return "finished", loop.at.over
