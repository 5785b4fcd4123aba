"""Fixtures for the logger: log in this process, or in a script of its own, and read the run back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.logger import start
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import all_folders
from tuitrain.runs.scripts.follower import ScriptFollower


@pytest.fixture(autouse=True)
def no_run_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK", "TUITRAIN_RUNS"):
        monkeypatch.delenv(name, raising=False)
    yield
    start.finish()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[], ScriptFollower]:
    """`read()` returns the only run in the folder `runs`, with everything that it has written so far."""

    def read() -> ScriptFollower:
        (folder,) = all_folders(tmp_path / "runs")
        run = follow(folder)
        run.read_all()
        assert isinstance(run, ScriptFollower)
        return run

    return read


class Script:
    """A process that runs a user's script in `folder`; `signal` ends it early."""

    def __init__(self, folder: Path, source: str, **environment: str) -> None:
        (folder / "train.py").write_text(source)
        self.process = subprocess.Popen(
            [sys.executable, "train.py"], cwd=folder, env=os.environ | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait(self) -> tuple[int, str, str]:
        """Return the exit status, and what the script wrote to stdout and stderr."""
        stdout, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stdout, stderr

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """`script(source, NAME="value")` starts a script with these environment variables."""
    started: list[Script] = []

    def begin(source: str, **environment: str) -> Script:
        started.append(Script(tmp_path, source, **environment))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.process.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
