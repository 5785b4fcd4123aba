"""Commands in a working folder that is deleted, or whose files hide modules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuitrain.cli import main
from tuitrain.hosts.subprocesses import start_detached

DELETED = "tuitrain: The working folder has been deleted. Change to another folder first: cd ~\n"


@pytest.fixture
def deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


@pytest.mark.usefixtures("deleted")
@pytest.mark.parametrize(
    "command",
    ["", "app", "runs", "train", "train --detach", "sweep", "show x", "compare x y", "export x --format csv",
     "evaluate x", "attach", "resume x", "stop x", "pause x", "checkpoint x", "set x optimizer.lr=1", "config"],
)  # fmt: skip
def test_every_command_names_the_deleted_folder(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    assert capsys.readouterr() == ("", DELETED)


@pytest.mark.usefixtures("deleted")
def test_a_background_process_starts_in_the_folder_of_its_log(tmp_path: Path) -> None:
    """A run whose terminal is closed must continue, even if the folder of its app is deleted."""
    process = start_detached(["runs", "--runs-dir", str(tmp_path / "runs")], tmp_path / "log.txt")
    assert process.wait(60) == 0
    assert (tmp_path / "log.txt").read_text().startswith("No runs in ")


def test_modules_of_the_working_folder_are_not_imported(tmp_path: Path) -> None:
    for name in ("msgspec", "torch", "numpy", "rich", "textual", "psutil", "tomlkit"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    settings = ("--set", "training.epochs=1", "--set", "training.device=cpu")
    done = subprocess.run(
        [sys.executable, "-m", "tuitrain", "train", *settings],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
