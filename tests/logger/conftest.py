"""Fixtures for the logger: log in this process, or in a script of its own, and read the run back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logged_runs import no_run_left, read

__all__ = ["no_run_left", "read"]


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
