"""Start runs in the background and wait for them."""

import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import forked
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower

# Seconds to wait for any condition. Slurm may start a requeued job after two minutes.
TIMEOUT = 180

QUICK = ("training.device=cpu", "training.threads=1", "training.log_every=1")

Done = CompletedProcess[str]


def tuitrain(home: Path, *arguments: str) -> Done:
    done = forked.tuitrain(home, *arguments)
    assert "Traceback" not in done.stderr
    return done


def overrides(*settings: str) -> list[str]:
    return [word for setting in (*QUICK, *settings) for word in ("--set", setting)]


def detached(home: Path, *settings: str) -> RunFolder:
    done = tuitrain(home, "train", "--detach", *overrides(*settings))
    assert done.returncode == 0, done.stderr
    return RunFolder(home / "runs" / done.stdout.strip())


def until(condition: Callable[[], bool], folder: RunFolder) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, folder.log_file.read_text()
        time.sleep(0.02)


def ended(folder: RunFolder) -> bool:
    return shown_status(folder.state()) not in ("queued", "running", "paused")


def read(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    assert (follower.problem, follower.damaged_rows) == ("", 0)
    return follower
