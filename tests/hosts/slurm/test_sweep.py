"""Submit sweeps to a scripted Slurm, and end their workers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from fake_slurm import FakeSlurm
from tuitrain.cli.parser import parse
from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.slurm import sweep_job
from tuitrain.hosts.slurm.sweep import submit_new_sweep, submit_sweep
from tuitrain.hosts.slurm.sweep_job import work_in_job
from tuitrain.hosts.slurm.watch import update_waiting
from tuitrain.hosts.sweeps.background import stop_sweep
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.process import this_process
from tuitrain.runs.sweeps.catalog import create_sweep, list_sweeps
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs, sweep_status
from tuitrain.runs.sweeps.records import Job, Record, Submission
from tuitrain.runs.waiting import change_state

TOML = '[sweep]\nname = "mine"\n[sweep.values]\n"optimizer.lr" = [0.1, 0.01, 0.001]\n'


@pytest.fixture
def sweep(slurm: FakeSlurm, tmp_path: Path) -> SweepFolder:
    folder = create_sweep(tmp_path / "runs", TOML)
    slurm.answer("squeue", f"{folder.path}/job.sh\n")
    return folder


def status(folder: SweepFolder) -> str:
    return sweep_status(folder, SweepIndex(folder).refresh())


@pytest.mark.parametrize(("workers", "array"), [(2, "--array=1-2"), (9, "--array=1-3")])
def test_a_sweep_is_an_array_of_as_many_workers_as_it_can_use(
    slurm: FakeSlurm, sweep: SweepFolder, workers: int, array: str
) -> None:
    assert submit_sweep(sweep, workers, "--time=5 --array=7") == "12"
    (call,) = slurm.calls("sbatch")
    assert f"--time=5 --array=7 {array} {sweep.path}/job.sh" in call
    assert f"--output={sweep.path}/slurm-%a.txt" in call
    submission = sweep.submission()
    assert submission is not None
    assert (submission.job, submission.cluster, status(sweep)) == ("12", "fake", "queued")


def test_options_of_the_command_line(
    slurm: FakeSlurm, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "--set", "optimizer.lr=0.1,0.01", "--submit", "2", "--sbatch=--time=5"]
    options = parse(words)
    assert options.run(options) == 0
    printed = capsys.readouterr()
    (folder,) = list_sweeps(tmp_path / "runs")
    assert printed.out.strip() == folder.id
    assert "Slurm job 12." in printed.err
    slurm.answer("sbatch", "", 1, error="sbatch: error: no\n")
    with pytest.raises(RunError, match=r"sbatch failed: no\."):
        options.run(options)
    assert [other.id for other in list_sweeps(tmp_path / "runs")] == [folder.id]
    with pytest.raises(RunError, match=r"sbatch failed: no\."):
        submit_new_sweep(tmp_path / "runs", TOML, 2)
    assert [other.id for other in list_sweeps(tmp_path / "runs")] == [folder.id]


def test_a_sweep_without_open_runs_is_not_submitted(slurm: FakeSlurm, sweep: SweepFolder) -> None:
    for trial in range(3):
        sweep.write_record(Job(trial, 0), Record(problem="no"))
    with pytest.raises(RunError, match="no run that waits"):
        submit_sweep(sweep, 2)
    assert slurm.calls("sbatch") == []


def test_slurm_says_why_a_sweep_waits_and_that_it_no_longer_does(slurm: FakeSlurm, sweep: SweepFolder) -> None:
    sweep.write_submission(Submission("12", time.time() - 86400, "fake"))
    slurm.answer("squeue", "12_[1-2]|PENDING|Resources|N/A|n/a|N/A\n")
    update_waiting([sweep])
    submission = sweep.submission()
    assert submission is not None
    assert submission.reason == "the nodes are busy (Resources)"
    slurm.answer("squeue", "12_1|CANCELLED|None|N/A|n/a|N/A\n13|RUNNING|None|N/A|n/a|N/A\n")
    update_waiting([sweep])
    assert (sweep.submission(), status(sweep)) == (None, "stopped")


def test_stopping_cancels_what_slurm_has_not_started(slurm: FakeSlurm, sweep: SweepFolder) -> None:
    submit_sweep(sweep, 2)
    stop_sweep(sweep)
    assert slurm.calls("scancel") == ["--state=PENDING 12"]
    assert status(sweep) == "stopped"


def test_a_sweep_from_elsewhere_cannot_cancel_my_jobs(slurm: FakeSlurm, sweep: SweepFolder) -> None:
    sweep.write_submission(Submission("12", 0.0))
    slurm.answer("squeue", "/home/me/important.sh\n")
    with pytest.raises(RunError, match="does not train"):
        stop_sweep(sweep)
    assert slurm.calls("scancel") == []


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is task 3 of the array 12, whose own number is 12, too, and leaves its signals as they are."""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.setattr(sweep_job, "handle_signals", lambda leave, _: leaves.append(leave))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    leaves.clear()
    yield
    leaves.clear()


# What a signal of Slurm calls.
leaves: list[Callable[[], None]] = []


def work(sweep: SweepFolder, stopped: float = 0.0) -> int:
    return work_in_job(sweep.path, WorkerResources(), 1, "", stopped)


@pytest.mark.usefixtures("job")
def test_a_worker_leaves_its_run_to_others_and_is_requeued(
    slurm: FakeSlurm, sweep: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(RunSpec(config=sweep.sweep().config({"optimizer.lr": 0.1}, 0), runs_dir=sweep.runs_dir))
    sweep.write_record(Job(0, 0), Record(run.id))
    statuses = []

    def train(worker: Worker) -> None:
        change_state(run, lambda state: structs.replace(state, step=steps, process=this_process()))
        leaves[-1]()
        while not worker._stopping.wait(0.01):
            pass
        statuses.append(status(sweep))

    monkeypatch.setattr(Worker, "run", train)
    slurm.answer("squeue", "0 RUNNING None N/A\n")
    steps = 7
    assert work(sweep) == 0
    assert statuses == ["running"]
    assert Job(0, 0) in open_jobs(sweep, SweepIndex(sweep).refresh())
    assert sweep.sessions() == []
    # With progress, without, and cancelled.
    steps = 8
    assert work(sweep) == 0
    assert work(sweep) == 1
    steps = 9
    slurm.answer("squeue", "0 COMPLETING None N/A\n")
    assert work(sweep) == 0
    assert sum(call == "requeue 12_3" for call in slurm.calls("scontrol")) == 2


@pytest.mark.usefixtures("job")
def test_a_stop_command_ends_workers_now_and_later(
    slurm: FakeSlurm, sweep: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def train(worker: Worker) -> None:
        runs.append(worker)
        stop_sweep(sweep)
        while not worker._stopping.wait(0.01):
            pass

    monkeypatch.setattr(Worker, "run", train)
    assert work(sweep) == 0
    assert work(sweep) == 0
    assert len(runs) == 1
    assert work(sweep, sweep.control().stopped) == 0
    assert len(runs) == 2
    assert slurm.calls("scontrol") == []
