"""GPUs are read while somebody looks, in the background, and not too often."""

import threading
from collections.abc import Mapping

import pytest

from hosts.thread_runs import until
from tuitrain.machine import watch as module
from tuitrain.machine.gpus import Gpu, GpuReader, Gpus
from tuitrain.machine.watch import RETRY, GpuWatch

ONE = Gpus((Gpu(0),))


class Reader(GpuReader):
    def __init__(self, found: Gpus) -> None:
        super().__init__()
        self.found, self.readings = found, 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, runs: Mapping[int, str] | None = None) -> Gpus:  # noqa: ARG002
        self.readings += 1
        assert self.may_answer.wait(60)
        return self.found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_the_gpus_are_read_at_most_once_a_second(clock: list[float]) -> None:
    reader = Reader(ONE)
    watch = GpuWatch(reader)
    until(lambda: watch.look() is ONE)
    for _ in range(5):
        assert watch.look() is ONE
    assert reader.readings == 1
    clock[0] += 1
    until(lambda: watch.look() is ONE and reader.readings == 2)


def test_a_driver_that_waits_is_not_asked_again_and_delays_nobody(clock: list[float]) -> None:
    reader = Reader(ONE)
    reader.may_answer.clear()
    watch = GpuWatch(reader)
    for _ in range(5):
        assert watch.look() is None
        clock[0] += 10
    assert reader.readings == 1
    reader.may_answer.set()
    until(lambda: watch.latest is ONE)


def test_a_machine_without_gpus_is_asked_less_often(clock: list[float]) -> None:
    reader = Reader(Gpus(problem="none"))
    watch = GpuWatch(reader)
    until(lambda: watch.look() is not None)
    clock[0] += RETRY - 1
    for _ in range(100):
        watch.look()
    assert reader.readings == 1
    clock[0] += 1
    until(lambda: watch.look() is not None and reader.readings == 2)
