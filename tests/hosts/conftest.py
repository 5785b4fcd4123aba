"""Fixtures of these tests."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planted import Planted
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, shown_status


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A working folder; runs that still train in it after the test are killed."""
    yield tmp_path
    for state in (tmp_path / "runs").glob("*/state.json"):
        folder = RunFolder(state.parent)
        process = folder.state().process
        if process is not None and shown_status(folder.state()) in ("queued", "running", "paused"):
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def host() -> Iterator[ThreadHost]:
    host = ThreadHost()
    yield host
    host.cancel()
    assert host.join(60)


@pytest.fixture
def queued(quick: Callable[..., Config], tmp_path: Path) -> RunFolder:
    """A run that is created but not trained."""
    return create_run(RunSpec(config=quick(), runs_dir=tmp_path / "runs"))


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)
