"""The ranks of this node, which torchrun's agent starts and watches."""

import logging
import tempfile
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from tuitrain.runs.control import Command
from tuitrain.text import plain
from tuitrain.training.distributed.outcome import NodeResult, read_outcomes

# Seconds between two checks of the ranks.
INTERVAL = 0.1
# Seconds that the agents of the nodes wait for each other at the start; all nodes are ready by then.
_MEETING = 120
# The file in the exchange folder from which rank 0 reads the commands.
COMMANDS = "commands.jsonl"


class Rendezvous(Struct, frozen=True):
    """Where the agents of the nodes meet: this one is number `index` of `nodes`, and `store` is the HOST:PORT of the
    leading node's store."""

    nodes: int = 1
    index: int = 0
    store: str = ""

    def options(self) -> dict[str, Any]:
        """Return the options of torchrun's `LaunchConfig`."""
        if self.nodes == 1:
            return {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": uuid.uuid4().hex}
        return {
            "rdzv_backend": "static", "rdzv_endpoint": self.store, "run_id": "tuitrain",
            "rdzv_configs": {"rank": self.index, "timeout": _MEETING},
        }  # fmt: skip


class LocalRanks:
    """The ranks of this node, which run while the context is open. Each runs `command`, with the devices of all of them
    and a folder to exchange files as the last arguments."""

    def __init__(self, command: Sequence[str], devices: Sequence[str], rendezvous: Rendezvous) -> None:
        self._command, self._devices, self._rendezvous = command, devices, rendezvous
        self._failed: dict[int, int] = {}
        self._problem = ""
        # If another node is lost, the agent may wait minutes for it, and nobody waits for the agent.
        self._agent = threading.Thread(target=self._run, name="agent", daemon=True)

    def __enter__(self) -> "LocalRanks":
        self._folder = tempfile.TemporaryDirectory(prefix="tuitrain-ranks-", ignore_cleanup_errors=True)
        self._exchange = Path(self._folder.name)
        (self._exchange / COMMANDS).touch()
        self._agent.start()
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def running(self) -> bool:
        """Wait for an `INTERVAL`, and return whether the agent has not ended."""
        self._agent.join(INTERVAL)
        return self._agent.is_alive()

    def send(self, command: Command) -> None:
        """Pass a command to rank 0, which is on the leading node."""
        with (self._exchange / COMMANDS).open("ab") as file:
            file.write(msgspec.json.encode(command) + b"\n")

    def kill(self) -> bool:
        """Kill the ranks and their children; return whether there were any. The agent may start some later."""
        found = [child for child in psutil.Process().children(recursive=True) if _is_rank(child)]
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        return bool(found)

    def result(self) -> NodeResult:
        """Return how the ranks ended, by their numbers in the whole run."""
        first = self._rendezvous.index * len(self._devices)
        own = range(first, first + len(self._devices))
        return NodeResult(read_outcomes(self._exchange, own), self._failed, self._problem)

    def _run(self) -> None:
        """Run the ranks to their end, each in a session of its own; once one fails, end the others."""
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import LaunchConfig, elastic_launch

        # The run's state records signals and failures; torchrun's messages would repeat them.
        logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
        nodes = self._rendezvous.nodes
        config = LaunchConfig(
            min_nodes=nodes, max_nodes=nodes, nproc_per_node=len(self._devices), local_addr="localhost",
            max_restarts=0, monitor_interval=INTERVAL, logs_specs=DefaultLogsSpecs(log_dir=str(self._exchange)),
            **self._rendezvous.options(),
        )  # fmt: skip
        arguments = ["--exchange", str(self._exchange), "--devices", ",".join(self._devices)]
        try:
            elastic_launch(config, self._command[0])(*self._command[1:], *arguments)
        except ChildFailedError as error:
            self._failed = {rank: failure.exitcode for rank, failure in error.failures.items()}
        except Exception as error:
            self._problem = f"The processes could not be started: {plain(str(error).partition(chr(10))[0], 200)}"


def _is_rank(process: psutil.Process) -> bool:
    try:
        # torchrun sets this variable, which children inherit.
        return "RANK" in process.environ()
    except psutil.Error:
        return False
