"""Choose the devices of the ranks, run them, and pass commands to rank 0."""

import time
from collections.abc import Sequence
from math import inf

import torch
from msgspec.structs import replace

from tuitrain.config.device_list import KEY, Devices
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.runs.process import available_cores
from tuitrain.text import counted
from tuitrain.training.distributed.agent import LocalRanks, Rendezvous
from tuitrain.training.distributed.leading_node import LeadingNode
from tuitrain.training.distributed.outcome import Outcome, outcome_of_run
from tuitrain.training.gpus import choose_gpus, hold_gpu

# The number of processes on the CPU that is always allowed.
MIN_PROCESSES = 4
# Seconds after a stop until ranks that do not react are killed; a checkpoint of a large network takes a while.
PATIENCE = 120.0


def choose_devices(config: Config) -> list[str]:
    """Return the device of each rank of this machine, and mark GPUs as used by this process. Raises what
    `check_devices` raises."""
    check_devices(config)
    wanted = _wanted(config)
    if config.training.device == "cpu" or _may_be_cpu(config):
        return ["cpu"] * wanted.count
    chosen = wanted.indices or choose_gpus(wanted.count or torch.cuda.device_count())
    for index in chosen:
        hold_gpu(index)
    return [f"cuda:{index}" for index in chosen]


def _wanted(config: Config) -> Devices:
    """Return the devices of this machine: one, if `training.nodes` alone makes a run of several ranks."""
    training = config.training
    if training.device.startswith("cuda:"):
        return Devices(1, (int(training.device.removeprefix("cuda:")),))
    return Devices.parse(training.devices or "1")


def _may_be_cpu(config: Config) -> bool:
    """Return whether the only device of this machine is the CPU, because it has no GPU and the run does not ask for
    one."""
    one = _wanted(config).count == 1 and config.training.device == "auto"
    return one and not torch.cuda.is_available()


def check_devices(config: Config) -> None:
    """Raise ConfigError if torch does not see the GPUs of `training.devices`, or the CPU has far fewer cores."""
    wanted, training = _wanted(config), config.training
    setting = f"training.devices = {training.devices}" if training.devices else f"training.device = {training.device}"
    if config.training.device == "cpu":
        cores = available_cores()
        if wanted.count > max(MIN_PROCESSES, cores):
            raise ConfigError(
                f"{setting} starts {wanted.count} processes on the {counted(cores, 'core')} of this machine.",
                f"Use at most {max(MIN_PROCESSES, cores)}.",
                key=KEY,
            )
        return
    if _may_be_cpu(config):
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= max(wanted.indices, default=max(wanted.count, 1) - 1):
        cpu = "training.device = cpu, where a number of processes share each batch"
        raise ConfigError(
            f"{setting}: torch sees {counted(count, 'CUDA device') if count else 'no CUDA device'}.",
            f"Use fewer devices, or {cpu}." if count else f"Set training.devices = none, or {cpu}.",
            key=KEY,
        )


def run_ranks(
    command: Sequence[str], devices: Sequence[str], inbox: Inbox, others: LeadingNode | None = None
) -> Outcome:
    """Run `command` once for each device, beside the ranks of the `others` that have joined; pass the commands in
    `inbox` to rank 0. Kill ranks that do not obey a stop. Return how the run ended."""
    deadline, killed, broken = inf, False, False
    with LocalRanks(command, devices, others.rendezvous if others else Rendezvous()) as ranks:
        while ranks.running():
            for waiting in inbox.new():
                ranks.send(waiting)
                if waiting.name in ("stop", "detach"):
                    deadline = min(deadline, time.monotonic() + PATIENCE)
            # Again until the agent ends: it may still be starting ranks.
            killed = killed or time.monotonic() > deadline
            broken = broken or (others is not None and others.is_broken())
            if (killed or broken) and not ranks.kill() and others is not None:
                # The agent may wait for a node that is lost.
                break
        if killed:
            return Outcome("stopped", f"Its processes did not stop within {PATIENCE:.0f} seconds and were killed.")
        own = ranks.result()
    if others is None:
        return outcome_of_run([own])
    # Ranks that were killed because of another node are not the cause.
    own = replace(own, failed={}) if broken else own
    results, problems = others.results()
    return outcome_of_run([own, *results], others.names(), problems)
