"""Real signals to `tuitrain train` while it prepares a run, and to the processes that train."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import forked
from hosts.background_runs import detached, ended, overrides, read, tuitrain, until
from tuitrain.runs.folder import folders, shown_status
from tuitrain.training import checkpoint

# Blocks a preparation until the test allows it to continue.
WAITS = """
import pathlib, time
(pathlib.Path(__file__).parent / "preparing").touch()
while not (pathlib.Path(__file__).parent / "go").exists():
    time.sleep(0.01)
def change(images):
    return images
"""
ENDLESS = ("training.epochs=1000000", "training.checkpoint_every=1000")


@pytest.mark.parametrize(
    ("numbers", "status"),
    [((signal.SIGHUP,) * 500, 0), ((signal.SIGHUP, signal.SIGTERM), 130)],
    ids=["a dropped line", "a shutdown"],
)
def test_a_signal_while_a_run_is_prepared(home: Path, numbers: tuple[signal.Signals, ...], status: int) -> None:
    (home / "waits.py").write_text(WAITS)
    settings = overrides("training.epochs=2", f"data.transform={home}/waits.py:change")
    process = start(home, "train", *settings)
    wait_for(process, (home / "preparing").exists)
    for number in numbers:
        process.send_signal(number)
        while pending(process.pid):
            pass
    (home / "go").touch()
    output, messages = end(process, home, status)
    assert "owned" not in messages
    runs = list(folders(home / "runs"))
    if status:
        assert not runs
        assert messages.endswith("No run was created.\n")
        return
    (folder,) = runs
    assert output == f"{folder.id}\n"
    until(lambda: ended(folder), folder)
    run = read(folder)
    assert (run.status, run.state.epoch) == ("finished", 2)
    assert [event.name for event in run.events] == ["started", "finished"]
    assert not any("owned" in line for line in run.log)


def start(home: Path, *arguments: str) -> forked.Process:
    return forked.Process(home, *arguments, streams=(os.devnull, home / "stdout", home / "stderr"))


def wait_for(process: forked.Process, true: Callable[[], bool]) -> None:
    while not true():
        assert process.poll() is None
        time.sleep(0.01)


def end(process: forked.Process, home: Path, status: int) -> tuple[str, str]:
    """Wait for the end of a process, with this status; return what it wrote."""
    ended = process.wait(120)
    output, messages = (home / "stdout").read_text(), (home / "stderr").read_text()
    assert ended == status, messages
    return output, messages


def pending(pid: int) -> bool:
    """Return whether the process has not received a signal yet."""
    masks = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "Pnd:" in line]
    return any(int(mask, 16) for mask in masks)


def test_a_killed_background_process_is_interrupted_and_resumes(home: Path) -> None:
    folder = detached(home, "training.epochs=400", "training.checkpoint_every=0.05")
    until(lambda: (folder.checkpoints / "last.safetensors").exists() and folder.state().step > 50, folder)
    process = folder.state().process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: shown_status(folder.state()) == "interrupted", folder)
    for command in ("stop", "pause"):
        done = tuitrain(home, command, folder.id)
        assert (done.returncode, done.stderr) == (2, f"tuitrain: {folder.id} is not active: it is interrupted.\n")
    # Fewer than it was to have, which would take long.
    progress = checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]
    epochs = progress["step"] // folder.state().steps_per_epoch + 2
    done = tuitrain(home, "resume", folder.id, "--epochs", str(epochs))
    assert done.returncode == 0, done.stderr
    run = read(folder)
    assert (run.status, run.state.epoch) == ("finished", epochs)
    assert [event.name for event in run.events] == ["started", "continued", "finished"]


def test_a_run_whose_folder_is_deleted_fails(home: Path) -> None:
    process = start(home, "train", *overrides(*ENDLESS[:1], "training.checkpoint_every=0.2"))
    wait_for(process, lambda: any(folders(home / "runs")))
    (folder,) = folders(home / "runs")
    until(lambda: folder.state().step > 5, folder)
    # Renamed first: the run could write between two steps of the removal.
    shutil.rmtree(folder.path.rename(home / "gone"))
    _, messages = end(process, home, 1)
    assert "is kept" not in messages
    path = folder.path.relative_to(home)
    assert messages.endswith(f"tuitrain: The run folder {path} was deleted or moved during training.\n")
