"""The GPU that a run chooses, as the driver and other runs let it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from machine.fake_nvml import GB, FakeGpu, FakeNvml, error, memory, mig_instance
from tuitrain.machine import gpu_lock
from tuitrain.training.device import choose_device


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield
    gpu_lock.release()


def see(patch: pytest.MonkeyPatch, *uuids: str) -> None:
    """Let torch see these GPUs, in its order."""
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "current_device", lambda: 0)
    patch.setattr(torch.cuda, "device_count", lambda: len(uuids))
    patch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=uuids[index]))


def gpu(uuid: str, used: int, use: int = 0) -> FakeGpu:
    rates = SimpleNamespace(gpu=use, memory=0)
    return FakeGpu({"UUID": f"GPU-{uuid}", "MemoryInfo": memory(used * GB, 80 * GB), "UtilizationRates": rates})


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ([gpu("a", 60), gpu("b", 1), gpu("c", 30)], 1),
        # An idle GPU with less memory is better than a busy one.
        ([gpu("a", 2, use=97), gpu("b", 20), gpu("c", 10, use=50)], 1),
        ([gpu("a", 40, use=97), gpu("b", 30, use=98), gpu("c", 35, use=50)], 1),
        ([gpu("a", 0), gpu("b", 0), gpu("c", 0)], 0),
        # The driver and torch count differently.
        ([gpu("c", 60), gpu("b", 60), gpu("a", 0)], 0),
        # A GPU that does not answer is no reason to fail.
        ([error(15), gpu("b", 10), gpu("c", 0)], 2),
    ],
)  # fmt: skip
def test_the_freest_gpu(monkeypatch: pytest.MonkeyPatch, gpus: list[FakeGpu | Exception], expected: int) -> None:
    see(monkeypatch, "a", "b", "c")
    FakeNvml(monkeypatch, gpus)
    assert choose_device("auto") == torch.device("cuda", expected)


def test_only_gpus_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "c", "d")
    FakeNvml(monkeypatch, [gpu("a", 0), gpu("b", 0), gpu("c", 30), gpu("d", 20)])
    assert choose_device("auto") == torch.device("cuda", 1)


def test_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "m1", "m2")
    full = mig_instance("MIG-m1", MemoryInfo=memory(30 * GB, 40 * GB))
    FakeNvml(monkeypatch, [FakeGpu({"UUID": "GPU-a", "MigMode": [1, 1]}, [full, mig_instance("MIG-m2")])])
    assert choose_device("auto") == torch.device("cuda", 1)


def test_runs_of_one_process_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "a", "b")
    fake = FakeNvml(monkeypatch, [gpu("a", 30), gpu("b", 0)])
    assert choose_device("auto", hold=True).index == 1
    fake.gpus = [gpu("a", 0), gpu("b", 60, use=99)]
    assert choose_device("auto", hold=True).index == 1
    gpu_lock.release()
    assert choose_device("auto", hold=True).index == 0


def test_other_runs_are_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "a", "b")
    FakeNvml(monkeypatch, [gpu("a", 10), gpu("b", 70, use=99)])
    taken = {"a"}
    monkeypatch.setattr(gpu_lock, "hold", lambda uuid: uuid not in taken)
    assert choose_device("auto", hold=True).index == 1
    taken.add("b")
    # All are taken: the best one is shared.
    assert choose_device("auto", hold=True).index == 0


def test_a_named_gpu_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "a", "b")
    assert choose_device("cuda:1", hold=True) == torch.device("cuda", 1)
    assert gpu_lock.held() == ["b"]
    assert choose_device("cuda") == torch.device("cuda", 0)


def test_an_evaluation_avoids_held_gpus_but_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "a", "b")
    fake = FakeNvml(monkeypatch, [gpu("a", 30), gpu("b", 0)])
    assert choose_device("auto").index == 1
    assert choose_device("cuda:0").index == 0
    assert not gpu_lock.held()
    # It uses the GPU on which this process trains.
    assert choose_device("auto", hold=True).index == 1
    fake.gpus = [gpu("a", 0), gpu("b", 60, use=99)]
    assert choose_device("auto").index == 1
    assert gpu_lock.held() == ["b"]


def test_without_an_answer_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, "a", "b")
    FakeNvml(monkeypatch, [], init=error(9))
    assert choose_device("auto", hold=True).index == 0
    assert gpu_lock.held() == ["a"]
