"""Fixtures and functions for runs that a script logs; the conftest.py files that need them import them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.logger import start
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import all_folders
from tuitrain.runs.scripts.follower import ScriptFollower


@pytest.fixture(autouse=True)
def no_run_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK", "TUITRAIN_RUNS"):
        monkeypatch.delenv(name, raising=False)
    yield
    start.finish()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[], ScriptFollower]:
    """`read()` returns the only run in the folder `runs`, with everything that it has written so far."""

    def read() -> ScriptFollower:
        (folder,) = all_folders(tmp_path / "runs")
        run = follow(folder)
        run.read_all()
        assert isinstance(run, ScriptFollower)
        return run

    return read


def points(run: ScriptFollower, name: str) -> list[tuple[int, float]]:
    """Return the steps and values of a metric."""
    curve = run.logged(name)
    return list(zip(curve.step, curve["value"], strict=True))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
