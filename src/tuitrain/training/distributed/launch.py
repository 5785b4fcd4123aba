"""Start the ranks by torchrun's agent, and pass commands to rank 0."""

import logging
import tempfile
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from tuitrain.config.device_list import KEY, Devices
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.training.distributed.outcome import Outcome, outcome_of_run, read_outcomes
from tuitrain.training.gpus import choose_gpus, hold_gpu

# Seconds between two checks of the ranks and the commands.
_INTERVAL = 0.1
# The file in the exchange folder from which rank 0 reads the commands.
COMMANDS = "commands.jsonl"


def choose_devices(config: Config) -> list[str]:
    """Return the device of each rank, and mark GPUs as used by this process. Raises ConfigError if torch does not see
    enough of them."""
    text, device = config.training.devices or "1", config.training.device
    wanted = Devices.parse(text)
    if device == "cpu":
        return ["cpu"] * wanted.count
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= max(wanted.indices, default=max(wanted.count, 1) - 1):
        raise ConfigError(
            f"training.devices = {text}: torch sees {f'{count} CUDA device' if count else 'no CUDA device'}"
            f"{'s' * (count > 1)}.",
            "Use fewer devices, or training.device = cpu with a number of processes.",
            key=KEY,
        )
    chosen = wanted.indices or choose_gpus(wanted.count or count)
    for index in chosen:
        hold_gpu(index)
    return [f"cuda:{index}" for index in chosen]


def run_ranks(command: Sequence[str], devices: Sequence[str], inbox: Inbox) -> Outcome:
    """Run `command` once for each device, with the device and a folder to exchange files as the last arguments; pass
    the commands in `inbox` to rank 0. Return how the run ended."""
    failed: dict[int, int] = {}
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
        return outcome_of_run(read_outcomes(exchange, len(devices)), failed)


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
