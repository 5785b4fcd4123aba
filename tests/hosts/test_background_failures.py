"""Background runs that cannot start fail with a reason."""

import json
import os
import sys
from pathlib import Path

import pytest

from hosts.background_runs import detached, ended, read, tuitrain, until
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.writer import RunWriter


def test_missing_data_fails_the_run(home: Path) -> None:
    folder = detached(home, "data.dataset=image-folder", "data.dir=nowhere")
    until(lambda: ended(folder), folder)
    (listed,) = json.loads(tuitrain(home, "runs", "--json").stdout)
    assert listed["status"] == "failed"
    assert "nowhere" in listed["reason"]
    assert read(folder).events[-1].name == "failed"


def test_a_torch_that_cannot_be_loaded_fails_the_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "broken").mkdir()
    (home / "broken" / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(home / "broken"))
    folder = detached(home)
    until(lambda: ended(folder), folder)
    state = folder.state()
    assert (state.status, state.reason) == (
        "failed", "torch cannot be loaded: ImportError: libcudart.so.12: cannot open shared object file",
    )  # fmt: skip
    assert state.ended is not None


def test_a_process_that_ends_at_once_fails_the_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    folder = create_run(RunSpec(config=Config(), runs_dir=home / "runs"))
    with pytest.raises(RunError, match="The run's background process ended during its start"):
        resume_in_background(folder)
    state = folder.state()
    assert (state.status, state.reason) == ("failed", "The run's background process ended during its start: status 1")
    # A run with an owner keeps its state.
    writer = RunWriter(folder)
    writer.update(status="stopped", reason="", now=True)
    with pytest.raises(RunError, match=f"Process {os.getpid()} on"):
        resume_in_background(folder)
    writer.close()
    assert folder.state().status == "stopped"
