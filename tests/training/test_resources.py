"""What a run records of its machine: waiting times, memory and its GPU."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hosts.thread_runs import until
from tuitrain.config.schema import Config
from tuitrain.machine import watch as watching
from tuitrain.machine.gpus import Gpu, GpuReader, Gpus
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import RunWriter, create
from tuitrain.training import resources
from tuitrain.training.progress import TrainingProgress
from tuitrain.training.resources import PATIENCE, ResourceMeter

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 1)


class Run:
    """A run whose training time is the time of the clock."""

    def __init__(self, runs: Path, clock: list[float]) -> None:
        self.writer = RunWriter(create(runs, RunInfo(id="", name="r"), Config()))
        self.clock, self.progress = clock, TrainingProgress(lr=0.1, epochs=3)

    def at(self, meter: ResourceMeter, seconds: float) -> None:
        self.clock[0], self.progress.step = seconds, self.progress.step + 1
        meter.write_if_due(self.writer, self.progress, seconds)

    def values(self, column: str) -> list[float]:
        follower = Follower(self.writer.folder)
        follower.read_all()
        return list(follower.resources[column])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    clock = [0.0]
    monkeypatch.setattr(resources, "monotonic", lambda: clock[0])
    monkeypatch.setattr(watching, "monotonic", lambda: clock[0])
    made = Run(tmp_path, clock)
    yield made
    made.writer.close()


def test_rows_become_rarer(run: Run) -> None:
    meter = ResourceMeter(CPU, 0.0)
    for seconds in range(1, 51):
        run.at(meter, seconds)
    assert run.values("seconds") == [1, 2, 4, 8, 16, 26, 36, 46]
    assert all(memory > 10e6 for memory in run.values("memory"))


def test_the_share_of_the_time_that_the_loop_waits_for_images(run: Run) -> None:
    meter = ResourceMeter(CPU, 0.0)

    def batches() -> Iterator[int]:
        for batch in range(4):
            run.clock[0] += 0.25
            yield batch

    for batch in meter.timed(batches()):
        # Training on a batch takes three times as long as waiting for it.
        run.at(meter, batch + 1)
    assert run.values("wait") == [0.25, 0.25, 0.25]


def test_a_resumed_run_counts_from_its_checkpoint(run: Run) -> None:
    run.clock[0] = 500.0
    meter = ResourceMeter(CPU, 499.0)
    assert list(meter.timed(iter([1]))) == [1]
    run.at(meter, 501.0)
    assert run.values("wait") == [0.0]


class Reader(GpuReader):
    """Two GPUs, whose driver answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()

    def read(self, runs: Mapping[int, str] | None = None) -> Gpus:  # noqa: ARG002
        assert self.may_answer.wait(60)
        other = Gpu(0, uuid="GPU-a", use=0.1, memory=1, total_memory=100)
        return Gpus((other, Gpu(1, uuid="GPU-b", use=0.93, memory=97, total_memory=100)))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="ab"[index]))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5_000)
    return Reader()


def test_the_gpu_of_the_run(run: Run, gpu: Reader) -> None:
    watch = GpuWatch(gpu)
    meter = ResourceMeter(CUDA, 0.0, watch)
    run.at(meter, 1.0)
    assert run.values("gpu_use") == []  # The row waits for the answer of the driver.
    gpu.may_answer.set()
    until(lambda: watch.latest is not None)
    run.at(meter, 1.1)
    assert (run.values("gpu_use"), run.values("gpu_memory"), run.values("memory")) == ([0.93], [0.97], [5000])


def test_a_driver_that_does_not_answer_stops_nothing(run: Run, gpu: Reader) -> None:
    meter = ResourceMeter(CUDA, 0.0, GpuWatch(gpu))
    run.at(meter, 1.0)
    run.at(meter, 1.0 + PATIENCE)
    assert run.values("memory") == []
    run.at(meter, 1.1 + PATIENCE)
    assert run.values("memory") == [5000]
    assert run.values("gpu_use") != run.values("gpu_use")  # NaN: unknown.
    gpu.may_answer.set()
