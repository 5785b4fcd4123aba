"""Train a run on several devices: the process that owns the run starts one process, a rank, for each of them."""

import os

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import TuitrainError
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.machine import gpu_lock
from tuitrain.runs.control import Inbox
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter


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
