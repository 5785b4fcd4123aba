"""`tuitrain plan` tells what a run needs, without training it."""

import json
from pathlib import Path
from signal import SIGSEGV

import psutil
import pytest
import torch
from msgspec import Struct

from cli.commands import overrides
from tuitrain.cli import main

QUICK = ("training.device=cpu", "training.threads=1", "data.batch_size=32")


class Free(Struct):
    available: int


def plan(capsys: pytest.CaptureFixture[str], tmp_path: Path, *settings: str) -> tuple[int, dict[str, object]]:
    status = main(["plan", "--json", "--runs-dir", str(tmp_path / "runs"), *overrides(*QUICK, *settings)])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return status, found


@pytest.mark.usefixtures("restored_torch_settings")
def test_a_run_that_fits_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, found = plan(capsys, tmp_path, "model.hidden=[16]")
    assert (status, found["fits"], found["device"], found["batch_size"]) == (0, True, "cpu", 32)
    assert found["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert found["measured_images"] == "digits"
    assert found["problem"] == ""
    epochs = found["seconds"] / found["seconds_per_epoch"]  # type: ignore[operator]
    assert epochs == pytest.approx(10, rel=0.2)
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("restored_torch_settings")
def test_no_step_has_more_images_than_an_epoch(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = ("model.hidden=[4]", "data.batch_size=1000000000", "optimizer.accumulate=1000000", "data.fraction=0.5")
    status, found = plan(capsys, tmp_path, *settings)
    assert (status, found["accumulate"], found["steps_per_epoch"], found["problem"]) == (0, 1, 1, "")
    assert 0 < found["batch_size"] < 1797  # type: ignore[operator]


@pytest.mark.usefixtures("restored_torch_settings")
def test_images_that_are_not_there_are_random(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, found = plan(capsys, tmp_path, "data.dataset=mnist", f"data.dir={tmp_path}", "model.hidden=[16]")
    assert (status, found["measured_images"]) == (0, "random images")
    assert found["memory"]["images"] == 70_000 * 28 * 28  # type: ignore[index]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("restored_torch_settings")
def test_a_frozen_network_is_measured_on_its_features(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, found = plan(capsys, tmp_path, "model.name=cnn", "model.channels=[4]", "finetune.freeze=backbone")
    assert found["problem"] == ""
    assert found["seconds"] > 0  # type: ignore[operator]


@pytest.mark.usefixtures("restored_torch_settings")
def test_a_run_that_does_not_fit_is_not_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(80 * 10**6))
    settings = ("model.name=cnn", "data.image_size=32", "data.batch_size=512")
    status, found = plan(capsys, tmp_path, *settings)
    assert (status, found["fits"], found["seconds"]) == (1, False, None)
    # A step has as many images as before.
    fitting = found["fitting"]
    assert isinstance(fitting, dict)
    assert fitting["data.batch_size"] * fitting["optimizer.accumulate"] == 512
    status, found = plan(capsys, tmp_path, *settings, *(f"{key}={value}" for key, value in fitting.items()))
    assert (status, found["fits"]) == (0, True)


def test_nothing_of_real_size_is_allocated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 0
    empty = torch.empty

    def record(*arguments: object, **options: object) -> torch.Tensor:
        nonlocal largest
        made = empty(*arguments, **options)  # type: ignore[call-overload]
        if made.device.type != "meta" and type(made) is torch.Tensor:
            largest = max(largest, made.nbytes)
        return made  # type: ignore[no-any-return]

    monkeypatch.setattr(torch, "empty", record)
    status, found = plan(capsys, tmp_path, "model.hidden=[65536, 65536, 65536]")
    assert (status, found["fits"], found["fitting"]) == (1, False, {})
    assert largest < 10**6


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPUs")
def test_devices_that_are_missing_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", "--runs-dir", str(tmp_path), "--set", "training.devices=2"]) == 2
    assert "torch sees no CUDA device. Set training.devices = none" in capsys.readouterr().err


NET = """
import os, signal
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, channels, image_size, signal=0):
        super().__init__()
        self.layer = nn.Linear(channels * image_size ** 2, classes)
        self.signal = signal

    def forward(self, images):
        if self.signal:
            os.kill(os.getpid(), self.signal)
        return self.layer(images.flatten(1))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (file := tmp_path / "net.py").write_text(NET)
    return file


def test_a_network_of_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, net: Path) -> None:
    status, found = plan(capsys, tmp_path, f"model.name={net}:Net")
    assert (status, found["parameters"], found["problem"]) == (0, 64 * 10 + 10, "")
    assert main(["plan", *overrides(*QUICK, f"model.name={net}:Missing")]) == 2
    assert "does not define Missing" in capsys.readouterr().err


def test_a_network_that_ends_its_process(capsys: pytest.CaptureFixture[str], net: Path) -> None:
    assert main(["plan", *overrides(*QUICK, f"model.name={net}:Net", f"model.args.signal={SIGSEGV:d}")]) == 1
    end = "tuitrain: No plan: its process was ended by SIGSEGV, probably by your code.\n"
    assert capsys.readouterr().err.endswith(end)
