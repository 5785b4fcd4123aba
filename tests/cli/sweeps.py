"""Run `tuitrain sweep` in a process and read its folder."""

import subprocess
import sys
from pathlib import Path

from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex

SMALL = """\
[model]
hidden = [16]
[training]
epochs = 1
device = "cpu"
"""


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tuitrain", "sweep", *arguments],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def command(home: Path, *arguments: str) -> tuple[int, str, str]:
    return end(start(home, *arguments))


def look(folder: SweepFolder) -> list[Outcome]:
    return SweepIndex(folder).refresh()
