"""Queues of runs for tests, and stand-ins for the processes that train them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.queue.devices import QueueDevices
from tuitrain.hosts.queue.dispatch import Dispatcher
from tuitrain.hosts.queue.enqueue import enqueue
from tuitrain.hosts.queue.slots import Slot
from tuitrain.machine.gpus import Gpu, GpuReader, Gpus
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import this_process
from tuitrain.runs.records import ShownStatus
from tuitrain.runs.waiting import check_startable
from tuitrain.runs.writer import RunWriter

QUICK = ("training.device=cpu", "training.threads=1", "training.epochs=1")


def queued(runs_dir: Path, name: str, *settings: str, priority: int = 0) -> RunFolder:
    config = override(Config(), (*QUICK, *settings))
    return enqueue(RunSpec(config=config, runs_dir=runs_dir, name=name), priority)


def start_queue(runs_dir: Path, *options: str, **given: Any) -> "subprocess.Popen[bytes]":
    """Work off the queue in a process on two slots of the CPU."""
    words = [sys.executable, "-m", "tuitrain", "queue", "--runs-dir", str(runs_dir), "--devices", "cpu,cpu", *options]
    return subprocess.Popen(words, cwd=runs_dir.parent, env=os.environ, **given)


class FakeReader(GpuReader):
    """A reader of a machine with this many idle GPUs."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._gpus = Gpus(tuple(Gpu(index, uuid=f"GPU-{index}") for index in range(count)))

    def read(self, runs: object = None) -> Gpus:  # noqa: ARG002
        return self._gpus


class InstantRuns:
    """Replaces `start_run`: a run that is started ends at once with the status that `ends` gives its name. The process
    of an interrupted one is gone."""

    def __init__(self, **ends: ShownStatus) -> None:
        self.started: list[tuple[str, list[str]]] = []
        self._ends = ends

    def __call__(self, folder: RunFolder, slots: Sequence[Slot], *_: object) -> bool:
        name = folder.name()
        writer = RunWriter(folder)
        try:
            check_startable(folder, writer.waiting)
            self.started.append((name, [slot.device for slot in slots]))
            status = self._ends.get(name, "finished")
            if status == "interrupted":
                writer.update(status="running", process=structs.replace(this_process(), born=1.0), now=True)
            else:
                writer.end(status=status, reason="broken" if status == "failed" else "")
        finally:
            writer.close()
        if status == "failed":
            raise RunError("broken")
        return True

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.started]


def dispatcher(runs_dir: Path, devices: str = "cpu", gpus: int = 0, **options: Any) -> tuple[Dispatcher, list[str]]:
    """Return a queue on a machine with this many GPUs, and the lines that it reports."""
    lines: list[str] = []
    return Dispatcher(runs_dir, QueueDevices(devices, FakeReader(gpus)), report=lines.append, **options), lines
