"""Fixtures for adapters: tiny data, the run that a training in this process logs, and a user who stops it."""

from collections.abc import Callable

import pytest
import torch

from logged_runs import no_run_left, read, wait_for
from tuitrain.logger import start
from tuitrain.runs.control import send
from tuitrain.runs.scripts.follower import ScriptFollower

__all__ = ["no_run_left", "read"]


@pytest.fixture
def ended(read: Callable[[], ScriptFollower]) -> Callable[[], ScriptFollower]:
    """`ended()` ends the run as the end of a script does, and returns it."""

    def end() -> ScriptFollower:
        start.finish()
        return read()

    return end


@pytest.fixture
def stop(read: Callable[[], ScriptFollower]) -> Callable[[], None]:
    """`stop()` gives the run a command to stop, and returns when the run has read it."""

    def stop() -> None:
        wait_for(lambda: "stop" in read().asks)
        send(read().folder, "stop")
        wait_for(lambda: any(event.name == "stopping" for event in read().events))

    return stop


@pytest.fixture
def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    """Return 64 points of two classes, (64, 8), and their classes."""
    points = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    return points, (points[:, 0] > 0).long()
