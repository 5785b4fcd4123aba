"""A runs folder, and runs of the jobs of a sweep in it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, RunInfo, Score
from tuitrain.runs.rows import Evaluated
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.runs.writer import RunWriter
from tuitrain.runs.writer import create as create_run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def finish(runs_dir: Path) -> Callable[..., RunFolder]:
    """`finish(folder, job, loss, …)`: a run of the job that finished with these validation losses."""

    def finish(folder: SweepFolder, job: Job, *losses: float, status: str = "finished") -> RunFolder:
        run = create_run(runs_dir, RunInfo(id="", name=job.key), Config())
        writer = RunWriter(run)
        for epoch, loss in enumerate(losses, 1):
            writer.row(Evaluated("validation", epoch, epoch, loss, 1 - loss, 0.0, time.time()))
        low = min(losses)
        writer.end(status=status, best=Best(1, 1, Score(low, 1 - low)))
        writer.close()
        folder.write_record(job, Record(run.id))
        return run

    return finish
