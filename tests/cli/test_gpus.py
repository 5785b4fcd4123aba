"""`tuitrain gpus` with and without GPUs."""

import json
import os
from pathlib import Path

import pytest

from machine.fake_nvml import GB, FakeGpu, FakeNvml, error, process
from tuitrain.cli import main
from tuitrain.machine.gpus import PROBLEMS


def test_gpus_and_their_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeNvml(monkeypatch, [FakeGpu({"ComputeRunningProcesses": [process(os.getpid(), 40 * GB)]}), error(15)])
    arguments = ["gpus", "--runs-dir", str(tmp_path / "none")]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "61.0 GB of 85.0 GB" in printed.out
    assert str(os.getpid()) in printed.out
    assert "cpu " in printed.out
    assert "free at" in printed.out
    assert PROBLEMS[15] in printed.err
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gpus"][0]["use"] == 0.93
    assert document["gpus"][0]["users"][0]["pid"] == os.getpid()
    assert document["gpus"][1]["problem"] == PROBLEMS[15]
    assert document["problem"] is None
    assert 0 < document["disk"]["free"] <= document["disk"]["total"]


def test_a_machine_without_a_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tuitrain.machine.gpus.driver_installed", lambda: False)
    assert main(["gpus", "--runs-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "memory" in printed.out
    assert PROBLEMS[12] in printed.err
