"""Fixtures of these tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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
