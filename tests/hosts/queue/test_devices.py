"""The devices of a queue, on machines with scripted GPUs."""

import os

import pytest

from hosts.queue.queue_runs import FakeReader
from machine.fake_nvml import FakeGpu, FakeNvml, error, process
from tuitrain.errors import ConfigError
from tuitrain.hosts.queue.devices import QueueDevices

UUIDS = ("GPU-aaaa", "GPU-bbbb", "GPU-cccc")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return FakeNvml(monkeypatch, [FakeGpu({"UUID": uuid}) for uuid in UUIDS])


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, UUIDS),
        ("2,0", (UUIDS[2], UUIDS[0])),
        ("GPU-bb", UUIDS[1:2]),
        ("1, 7, 0", UUIDS[1:2]),
        ("-1", ()),
        ("", ()),
    ],
)
@pytest.mark.usefixtures("gpus")
def test_all_visible_gpus_in_the_order_of_cuda(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, expected: tuple[str, ...]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices = QueueDevices()
    assert devices.names == (tuple(f"cuda:{number}" for number in range(len(expected))) or ("cpu",))
    assert tuple(devices.uuids.values()) == expected


def test_a_lost_gpu_is_left_out(gpus: FakeNvml) -> None:
    gpus.gpus[1] = error(15)
    assert QueueDevices().names == ("cuda:0", "cuda:2")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("cuda:3", "no device cuda:3: it has cuda:0, cuda:1, cuda:2"),
        ("cuda", "no device cuda: it has"),
        ("cpu,auto", "--devices auto is not allowed"),
        ("", "device"),
        ("cuda:0,,", "device"),
        ("\x1b[31mx", "device"),
    ],
)
@pytest.mark.usefixtures("gpus")
def test_devices_that_are_refused(chosen: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        QueueDevices(chosen)
    assert "\x1b" not in str(refused.value)


def test_a_machine_without_gpus() -> None:
    assert QueueDevices(None, FakeReader(0)).names == ("cpu",)
    assert QueueDevices("cpu, cpu", FakeReader(0)).names == ("cpu", "cpu")
    with pytest.raises(ConfigError, match="it has no GPU"):
        QueueDevices("cuda:0", FakeReader(0))


def test_a_gpu_on_which_others_compute_is_in_use_unless_it_is_listed(gpus: FakeNvml) -> None:
    own, other = os.getpid(), 2**22 + 1
    for gpu, pid in zip(gpus.gpus, (own, other, None), strict=True):
        assert isinstance(gpu, FakeGpu)
        gpu.answers["ComputeRunningProcesses"] = [process(pid, None)] if pid else []
    # A run may use several processes: this one is a child of its parent.
    for owner in (own, os.getppid()):
        assert QueueDevices().in_use([owner]) == {"cuda:1"}
    assert QueueDevices().in_use([]) == {"cuda:0", "cuda:1"}
    assert QueueDevices("cuda:1,cuda:2").in_use([]) == set()
