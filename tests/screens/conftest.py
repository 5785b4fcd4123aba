"""Fixtures of the screens: the app, runs to compare, and a sweep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from screens.compare.compare_app import predict
from screens.sweep.sweep_app import GRID, SEEN, Done
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Score
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Record

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def app(runs_dir: Path) -> TuitrainApp:
    return TuitrainApp(runs_dir, ThreadHost())


@pytest.fixture
def four(write_run: WriteRun) -> list[RunFolder]:
    """Newest first: a, b, c and d."""
    return [
        write_run("a", "optimizer.lr=0.1", "training.seed=1", id="20260104-a"),
        write_run("b", "optimizer.lr=0.01", "training.seed=2", id="20260103-b"),
        write_run("c", "optimizer.name=sgd", "optimizer.lr=0.1", id="20260102-c"),
        write_run("d", "optimizer.name=sgd", "optimizer.lr=0.5", id="20260101-d", status="failed", reason="NaN"),
    ]


@pytest.fixture
def three(write_run: WriteRun) -> list[RunFolder]:
    folders = [
        write_run("adam-s0", "training.seed=0", id="20261101-000000-a-0001"),
        write_run("adam-s1", "training.seed=1", id="20261101-000001-b-0002"),
        write_run("sgd-s0", "optimizer.name=sgd", "training.seed=0", id="20261101-000002-c-0003"),
    ]
    for folder, right in zip(folders, (90, 88, 60), strict=True):
        predict(folder, right)
    return folders


@pytest.fixture
def write_sweep(runs_dir: Path, write_run: WriteRun) -> Callable[..., SweepFolder]:
    """Write a sweep in which the jobs in `seen` finished with the given validation accuracies."""

    def write(toml: str = GRID, seen: Done = SEEN) -> SweepFolder:
        folder = create_sweep(runs_dir, toml)
        for (trial, seed), accuracy in seen.items():
            best = Best(1, 1, Score(1.0, accuracy), Score(1.0, accuracy - 0.05))
            run = write_run(f"trial-{trial}-{seed}", best=best, test=Score(3.0, 0.1))
            folder.write_record(Job(trial, seed), Record(run.id))
        return folder

    return write
