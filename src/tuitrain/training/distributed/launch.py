"""Start the ranks by torchrun's agent, and pass commands to rank 0."""

import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

import msgspec
import psutil
import torch

from tuitrain.config.device_list import KEY, Devices
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.runs.process import available_cores
from tuitrain.training.distributed.outcome import Outcome, outcome_of_run, read_outcomes
from tuitrain.training.gpus import choose_gpus, hold_gpu

# The number of processes on the CPU that is always allowed.
MIN_PROCESSES = 4
# Seconds after a stop until ranks that do not react are killed; a checkpoint of a large network takes a while.
PATIENCE = 120.0
# Seconds between two checks of the ranks and the commands.
_INTERVAL = 0.1
# The file in the exchange folder from which rank 0 reads the commands.
COMMANDS = "commands.jsonl"


def choose_devices(config: Config) -> list[str]:
    """Return the device of each rank, and mark GPUs as used by this process. Raises what `check_devices` raises."""
    check_devices(config)
    wanted = Devices.parse(config.training.devices or "1")
    if config.training.device == "cpu":
        return ["cpu"] * wanted.count
    chosen = wanted.indices or choose_gpus(wanted.count or torch.cuda.device_count())
    for index in chosen:
        hold_gpu(index)
    return [f"cuda:{index}" for index in chosen]


def check_devices(config: Config) -> None:
    """Raise ConfigError if torch does not see the GPUs of `training.devices`, or the CPU has far fewer cores."""
    text = config.training.devices or "1"
    wanted = Devices.parse(text)
    if config.training.device == "cpu":
        cores = available_cores()
        if wanted.count > max(MIN_PROCESSES, cores):
            raise ConfigError(
                f"training.devices = {text} starts {wanted.count} processes on the {cores} cores of this machine.",
                f"Use at most {max(MIN_PROCESSES, cores)}.",
                key=KEY,
            )
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= max(wanted.indices, default=max(wanted.count, 1) - 1):
        cpu = "training.device = cpu, where a number of processes share each batch"
        raise ConfigError(
            f"training.devices = {text}: torch sees {f'{count} CUDA device' if count else 'no CUDA device'}"
            f"{'s' * (count > 1)}.",
            f"Use fewer devices, or {cpu}." if count else f"Set training.devices = none, or {cpu}.",
            key=KEY,
        )


def run_ranks(command: Sequence[str], devices: Sequence[str], inbox: Inbox) -> Outcome:
    """Run `command` once for each device, with the device and a folder to exchange files as the last arguments; pass
    the commands in `inbox` to rank 0. Kill ranks that do not obey a stop. Return how the run ended."""
    failed: dict[int, int] = {}
    deadline, killed = inf, False
    with tempfile.TemporaryDirectory(prefix="tuitrain-ranks-") as name:
        exchange = Path(name)
        commands = exchange / COMMANDS
        commands.touch()
        arguments = [*command, "--exchange", name, "--devices", ",".join(devices)]
        agent = threading.Thread(target=lambda: failed.update(_run_agent(arguments, len(devices), exchange)))
        agent.start()
        while agent.is_alive():
            agent.join(_INTERVAL)
            for waiting in inbox.new():
                with commands.open("ab") as file:
                    file.write(msgspec.json.encode(waiting) + b"\n")
                if waiting.name in ("stop", "detach"):
                    deadline = min(deadline, time.monotonic() + PATIENCE)
            if time.monotonic() > deadline:
                # Again until the agent ends: it may still be starting ranks.
                killed = True
                _kill_ranks()
        if killed:
            return Outcome("stopped", f"Its processes did not stop within {PATIENCE:.0f} seconds and were killed.")
        return outcome_of_run(read_outcomes(exchange, len(devices)), failed)


def _kill_ranks() -> None:
    for rank in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            rank.kill()


def _run_agent(command: Sequence[str], ranks: int, logs: Path) -> dict[int, int]:
    """Run the ranks to their end, each in a session of its own; once one fails, end the others. Return the exit
    statuses of those that failed, by rank."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The run's state records signals and failures; torchrun's messages would repeat them.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=ranks, run_id=uuid.uuid4().hex, rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", local_addr="localhost", max_restarts=0, monitor_interval=_INTERVAL,
        logs_specs=DefaultLogsSpecs(log_dir=str(logs)),
    )  # fmt: skip
    try:
        elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        return {rank: failure.exitcode for rank, failure in error.failures.items()}
    return {}
