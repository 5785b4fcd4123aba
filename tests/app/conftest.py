"""Start the program in a pseudo-terminal."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from pseudo_terminal import Terminal, kill


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[pexpect.spawn] = []

    def start(runs_dir: Path, width: int = 120, height: int = 40) -> Terminal:
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        }
        process = pexpect.spawn(
            sys.executable,
            ["-m", "tuitrain", "--runs-dir", str(runs_dir)],
            env=environment,
            dimensions=(height, width),
            cwd=tmp_path,
        )
        process.delaybeforesend = None
        started.append(process)
        return Terminal(process, width, height)

    yield start
    for process in started:
        kill(process)
