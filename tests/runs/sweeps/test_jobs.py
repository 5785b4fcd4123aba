"""The jobs of a sweep: who works on them, and which are done."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runs.sweeps.sweep_files import GRID, look, opened
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.pruning import FinishedLosses, prune_reason, validation_losses
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.claims import abandoned_jobs, claim_job
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.runs.writer import RunWriter
from tuitrain.runs.writer import create as create_run

# A process that owns a job until its stdin closes.
HOLD = """\
import sys
from pathlib import Path
from tuitrain.runs.sweeps.claims import claim_job
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job
claim_job(SweepFolder(Path(sys.argv[1])), Job(0, 0))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_job_has_one_owner_until_its_process_ends(runs_dir: Path) -> None:
    folder = create_sweep(runs_dir, GRID)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"Process {other.pid} on"):
            claim_job(folder, Job(0, 0))
        assert opened(folder) == [Job(1, 0), Job(0, 1), Job(1, 1)]
        other.kill()
    assert abandoned_jobs(folder, other.pid) == [Job(0, 0)]
    assert opened(folder)[0] == Job(0, 0)
    claim_job(folder, Job(0, 0))
    assert abandoned_jobs(folder, other.pid) == []


def test_runs_that_have_ended_are_done_and_deleted_ones_are_not(
    runs_dir: Path, finish: Callable[..., RunFolder]
) -> None:
    folder = create_sweep(runs_dir, GRID)
    for job, status in ((Job(0, 0), "finished"), (Job(1, 0), "failed"), (Job(0, 1), "stopped")):
        finish(folder, job, 0.5, status=status)
    index = SweepIndex(folder)
    assert [one.status for one in index.refresh()] == ["finished", "failed", "stopped", "queued"]
    run = folder.run(Job(0, 0))
    assert run is not None
    run.path.rename(runs_dir / ".gone")
    assert open_jobs(folder, index.refresh()) == [Job(0, 0), Job(1, 1)]


def test_only_jobs_that_have_ended_are_not_read_again(runs_dir: Path, finish: Callable[..., RunFolder]) -> None:
    folder = create_sweep(runs_dir, GRID)
    ended = [finish(folder, job, 0.5, status=status)
             for job, status in ((Job(0, 0), "finished"), (Job(1, 0), "failed"), (Job(0, 1), "stopped"))]  # fmt: skip
    active = create_run(runs_dir, RunInfo(id="", name="active"), Config())
    folder.write_record(Job(1, 1), Record(active.id))
    index = SweepIndex(folder)
    before = index.refresh()
    assert [(one.status, one.done) for one in before] == [
        ("finished", True), ("failed", True), ("stopped", True), ("queued", False),
    ]  # fmt: skip
    assert open_jobs(folder, before) == []
    for run in ended:
        run.state_file.unlink()
    RunWriter(active).end(status="finished")
    assert [one.status for one in index.refresh()] == ["finished", "failed", "stopped", "finished"]
    assert [(one.status, one.done) for one in SweepIndex(folder).refresh()][:3] == [("damaged", True)] * 3


def test_failed_and_damaged_jobs_do_not_run_again(runs_dir: Path, finish: Callable[..., RunFolder]) -> None:
    folder = create_sweep(runs_dir, GRID)
    folder.write_record(Job(0, 0), Record(problem="Its process died 3 times."))
    finish(folder, Job(1, 0), 0.5).state_file.write_text("{")
    (folder.path / "jobs" / "0000-1.json").write_text("[")
    folder.write_record(Job(1, 1), Record(run="../elsewhere"))
    outcomes = SweepIndex(folder).refresh()
    assert [one.status for one in outcomes] == ["failed", "damaged", "damaged", "queued"]
    assert outcomes[0].problem == "Its process died 3 times."
    assert "state.json is damaged" in outcomes[1].problem
    assert folder.run(Job(1, 1)) is None


def test_a_worker_whose_time_is_over_takes_nothing(runs_dir: Path) -> None:
    folder = create_sweep(runs_dir, GRID)
    Worker(folder, WorkerResources(), until=time.time() - 1).run()
    assert look(folder) == ["queued"] * 4


def test_a_run_above_the_median_is_pruned(runs_dir: Path, finish: Callable[..., RunFolder]) -> None:
    folder = create_sweep(runs_dir, GRID.replace("seeds = 2", "seeds = 4"))
    peers = FinishedLosses(SweepIndex(folder))
    for job, loss in zip(folder.jobs()[:4], (0.2, 0.4, 0.6, 0.8), strict=True):
        finish(folder, job, 2.0, loss, 0.1)
    finish(folder, Job(0, 3), 9.0, 9.0, status="stopped")
    assert prune_reason({1: 5.0, 2: 5.0}, peers) == ""
    last = finish(folder, Job(0, 2), 2.0, 1.0)
    assert validation_losses(last) == {1: 2.0, 2: 1.0}
    assert prune_reason({1: 5.0, 2: 0.61}, peers).startswith(
        "Pruned after epoch 2: its best validation loss, 0.6100, is above"
    )
    assert prune_reason({1: 5.0}, peers) == ""
    assert prune_reason({1: 0.6, 2: 5.0}, peers) == ""
    assert prune_reason({1: 5.0, 2: 5.0, 3: 5.0}, peers) == ""
    assert prune_reason({}, peers) == ""
