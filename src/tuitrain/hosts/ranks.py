"""Train a run on several devices: the process that owns the run starts one process, a rank, for each of them."""

import os
import threading
import time
from pathlib import Path

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import TuitrainError
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.hosts.trust import allowed_code
from tuitrain.machine import gpu_lock
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter, log_line
from tuitrain.text import plain

# Seconds between two looks at the process that started this one.
_WATCH_INTERVAL = 0.2


def train_on_devices(
    config: Config,
    writer: RunWriter,
    inbox: Inbox,
    epochs: int | None,
    schedule: Extension,
    allowed_key: str,
) -> State:
    """Train a run, which this process owns by `writer`, on `training.devices`, and record how it ended. Raise what
    `train_run` raises."""
    from tuitrain.training.distributed.launch import choose_devices, run_ranks
    from tuitrain.training.distributed.outcome import Outcome
    from tuitrain.training.run import end_run

    command = tuitrain_command("rank", str(writer.folder.path.absolute()), "--launcher", str(os.getpid()))
    command += ["--epochs", str(epochs)] if epochs else []
    command += ["--schedule", schedule, "--allowed", allowed_key]
    try:
        outcome = run_ranks(command, choose_devices(config), inbox)
    except TuitrainError as error:
        outcome = Outcome("failed", str(error))
    finally:
        gpu_lock.release()
    writer.reload()
    before, now = writer.previous, writer.state
    progressed = outcome.progressed or (now.epoch, now.step) != (before.epoch, before.step)
    end_run(writer, (outcome.status, outcome.reason), progressed=progressed)
    return writer.state


def work_as_rank(
    folder: RunFolder, devices: list[str], exchange: Path, epochs: int | None, schedule: Extension, allowed_key: str
) -> int:
    """Train as one rank and return its exit status."""
    with allowed_code(folder, folder.config(), allowed_key), LogCapture() as capture:
        capture.redirect_to(folder.log_file)
        from tuitrain.hosts.launch import obey_and_prepare
        from tuitrain.training.distributed.group import LostRankError
        from tuitrain.training.distributed.rank import train_rank

        try:
            outcome = train_rank(folder, devices, exchange, obey_and_prepare, epochs, schedule)
        except LostRankError as error:
            reason = plain(str(error).partition("\n")[0], 200)
            print(log_line(f"another rank is gone: {reason}", detail=True), end="", flush=True)  # noqa: T201
            return 1
        return 1 if outcome.status == "failed" else 0


def end_with(launcher: int) -> None:
    """End this process as soon as its parent, the launcher, is gone, which alone can end the other ranks."""

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_WATCH_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()
