"""Run the command line in a process."""

import subprocess
import sys
from pathlib import Path

from tuitrain.runs.folder import RunFolder

Done = subprocess.CompletedProcess[str]


def command(home: Path, *arguments: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "tuitrain", *arguments], cwd=home, capture_output=True, text=True, check=False
    )


def overrides(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


def only_run(home: Path) -> RunFolder:
    (path,) = (home / "runs").iterdir()
    return RunFolder(path)
