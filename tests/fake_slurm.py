"""Commands of Slurm that print what a test wants."""

import shlex
from pathlib import Path

import pytest


class FakeSlurm:
    """Commands of Slurm on the PATH that print what a test wants, and record how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.answer("scontrol", "ClusterName = fake")
        for program in ("sbatch", "squeue", "scancel", "sacct"):
            self.answer(program, "")

    def answer(self, program: str, output: str, status: int = 0, *, error: str = "", before: str = "") -> None:
        """Let `program` run the shell command `before`, print `output` and `error`, and exit with `status`."""
        calls = shlex.quote(str(self.folder / f"{program}.calls"))
        script = self.folder / program
        script.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {calls}\n{before}\nprintf '%s' {shlex.quote(output)}\n"
            f"printf '%s' {shlex.quote(error)} >&2\nexit {status}\n"
        )
        script.chmod(0o755)

    def calls(self, program: str) -> list[str]:
        """Return the arguments of each call; an argument with a line break continues on the next line."""
        path = self.folder / f"{program}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "bin")
    # Without the folders of a real Slurm.
    monkeypatch.setenv("PATH", str(fake.folder))
    fake.answer("sbatch", "12\n")
    return fake


@pytest.fixture
def no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without the commands of Slurm."""
    monkeypatch.setenv("PATH", str(tmp_path))
