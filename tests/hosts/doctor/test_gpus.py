"""GPUs that torch can use, or not."""

import pytest

from tuitrain.hosts.doctor.gpus import check_gpus
from tuitrain.hosts.doctor.packages import Torch
from tuitrain.machine.gpus import Gpu, Gpus

TWO = Gpus((Gpu(0, uuid="GPU-a"), Gpu(1, uuid="GPU-b", visible=False)), driver="550.54")
CPU, CUDA = Torch(), Torch(built_for="13.0")


@pytest.mark.parametrize(
    ("gpus", "torch", "expected"),
    [
        (Gpus(problem="No driver."), CPU, [("note", "none: runs train on the CPU", "No driver.")]),
        (Gpus(), Torch(mps=True), [("ok", "Apple's, as training.device = mps", "")]),
        (TWO, CPU, [("problem", "driver 550.54 lists", "build for the CPU"), ("ok", "hides 1 of 2", "")]),
        (TWO, CUDA, [("problem", "torch uses none", "built for CUDA 13.0"), ("ok", "hides 1 of 2", "")]),
        (TWO, Torch(gpus=("\x1b[2JH100",)), [("ok", "H100", ""), ("ok", "hides 1 of 2", "")]),
        (TWO, Torch(problem="broken"), [("ok", "hides 1 of 2", "")]),
        (Gpus((Gpu(0, problem="Lost."),)), CUDA, [("problem", "gpu 0 does not work", "Lost.")]),
    ],
)
def test_gpus(monkeypatch: pytest.MonkeyPatch, gpus: Gpus, torch: Torch, expected: list[tuple[str, str, str]]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    found = list(check_gpus(gpus, torch))
    assert len(found) == len(expected)
    for finding, (level, text, advice) in zip(found, expected, strict=True):
        assert finding.level == level
        assert text in finding.text
        assert advice in finding.advice
        assert "\x1b" not in finding.text
