"""Train a run on several devices: the process that owns the run starts one process, a rank, for each device of its
machine, and waits for the machines that share the run, if any."""

import os
from typing import TYPE_CHECKING

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import TuitrainError
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.machine import gpu_lock
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter

if TYPE_CHECKING:
    from tuitrain.training.distributed.leading_node import LeadingNode
    from tuitrain.training.distributed.outcome import Outcome


def train_on_devices(
    config: Config,
    writer: RunWriter,
    inbox: Inbox,
    epochs: int | None,
    schedule: Extension,
    allowed_key: str,
) -> State:
    """Train a run, which this process owns by `writer`, on `training.devices` of `training.nodes`, and record how it
    ended. Raise what `train_run` raises."""
    from tuitrain.hosts.distributed.gather import lead_nodes
    from tuitrain.training.distributed.launch import choose_devices, run_ranks
    from tuitrain.training.distributed.outcome import Outcome
    from tuitrain.training.run import end_run

    command = rank_command(writer.folder, epochs, schedule, allowed_key)
    try:
        devices = choose_devices(config)
        if config.training.nodes > 1:
            node = lead_nodes(writer, config.training.nodes, len(devices), epochs, schedule)
            outcome = _train_on_nodes(node, writer, inbox, command, devices, allowed_key)
        else:
            outcome = run_ranks(command, devices, inbox)
    except TuitrainError as error:
        outcome = Outcome("failed", str(error))
    finally:
        gpu_lock.release()
    writer.reload()
    before, now = writer.previous, writer.state
    progressed = outcome.progressed or (now.epoch, now.step) != (before.epoch, before.step)
    end_run(writer, (outcome.status, outcome.reason), progressed=progressed)
    return writer.state


def rank_command(folder: RunFolder, epochs: int | None, schedule: Extension, allowed_key: str) -> list[str]:
    """Return the command that trains as one rank of this machine."""
    command = tuitrain_command("rank", str(folder.path.absolute()), "--launcher", str(os.getpid()))
    command += ["--epochs", str(epochs)] if epochs else []
    return [*command, "--schedule", schedule, "--allowed", allowed_key]


def _train_on_nodes(
    node: "LeadingNode", writer: RunWriter, inbox: Inbox, command: list[str], devices: list[str], allowed_key: str
) -> "Outcome":
    """Train on this node and those that join it, and return how the run ended."""
    from tuitrain.hosts.distributed.gather import gather
    from tuitrain.training.distributed.launch import run_ranks
    from tuitrain.training.distributed.outcome import Outcome
    from tuitrain.training.run import ending_of

    outcome = Outcome("failed", "The leading node failed.")
    try:
        ending = ending_of(writer, lambda: gather(node, writer, inbox, allowed_key), lambda: None)
        outcome = Outcome(*ending) if ending else run_ranks(command, devices, inbox, node)
    finally:
        node.end(outcome)
    return outcome
