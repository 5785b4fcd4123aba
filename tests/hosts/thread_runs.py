"""Train runs in a thread and wait for them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

ENDLESS = ("training.epochs=1000000", "training.checkpoint_every=1000")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def start_training(host: ThreadHost, config: Config, tmp_path: Path) -> RunFolder:
    """Start a run, wait for its first metrics row and return its folder."""
    host.start(RunSpec(config=config, runs_dir=tmp_path / "runs", name="mine", command="a command"))
    until(lambda: host.folder is not None or host.ended.is_set())
    assert host.folder is not None
    folder = host.folder
    until(lambda: len(follow(folder).train) > 0)
    return folder


def follow(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    return follower


def event_names(folder: RunFolder) -> list[str]:
    return [event.name for event in follow(folder).events]
