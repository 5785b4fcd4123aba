"""Runs on a real Slurm of one node; see cluster.sh."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from hosts.background_runs import Done, overrides, tuitrain, until
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.slurm import watch
from tuitrain.hosts.slurm.client import parse_duration
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status

Cluster = Callable[..., str]
SETTINGS = ("training.epochs=80", "training.seed=3")
HOSTILE = 'it\'s a "$(touch pwned)" `touch pwned`; %j \nrun'


@pytest.fixture
def home(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A working folder with a hostile name; jobs of its runs are cancelled after the test."""
    home = tmp_path / HOSTILE
    home.mkdir()
    yield home
    for folder in map(RunFolder, (home / "runs").glob("2*")):
        state = folder.state()
        for job in filter(None, (state.waiting and state.waiting.job, state.slurm and state.slurm.id)):
            cluster("scancel", job)


@pytest.fixture
def full_node(cluster: Cluster) -> Iterator[Callable[[], object]]:
    """Occupy the node until the test calls the fixture, or ends."""
    filler = cluster("sbatch", "--parsable", "--exclusive", "--output=/dev/null", "--wrap=sleep 600").strip()
    yield lambda: cluster("scancel", filler)
    cluster("scancel", filler)


def submit(home: Path, *arguments: str) -> RunFolder:
    done: Done = tuitrain(home, "submit", "--name", HOSTILE, *arguments)
    assert done.returncode == 0, done.stderr
    return RunFolder(home / "runs" / done.stdout.strip())


def waits(folder: RunFolder) -> bool:
    return folder.state().waiting is not None


def start_again(cluster: Cluster, folder: RunFolder, steps: int) -> None:
    """Let Slurm start a requeued job now instead of in two minutes; wait until the run has trained more."""
    state = folder.state()
    assert state.waiting is not None
    job = state.waiting.job

    def started() -> bool:
        # Slurm sets the start once more while it cleans up after the job.
        if waits(folder) and cluster("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "PENDING":
            with suppress(CalledProcessError):
                cluster("scontrol", "update", f"JobId={job}", "StartTime=now")
        return not waits(folder) and folder.state().step > steps

    until(started, folder)


def rows(folder: RunFolder) -> tuple[list[float], list[float]]:
    follower = Follower(folder)
    while follower.poll():
        pass
    return list(follower.train["loss"]), list(follower.evaluations["validation"]["loss"])


def test_a_run_waits_is_requeued_and_ends_like_an_uninterrupted_one(
    cluster: Cluster, home: Path, full_node: Callable[[], object], quick: Callable[..., Config]
) -> None:
    folder = submit(home, *overrides(*SETTINGS))
    # Cancelled jobs of other tests may still end.
    until(lambda: any(f"({word})" in said for word in ("Resources", "Priority") if (said := reason(folder))), folder)
    assert shown_status(folder.state()) == "queued"
    full_node()
    until(lambda: folder.state().step > 0, folder)
    state = folder.state()
    assert state.slurm is not None
    assert state.slurm.node
    # As Slurm does before the time limit.
    cluster("scancel", "--batch", "--signal=USR1", state.slurm.id)
    until(lambda: waits(folder), folder)
    saved = folder.state().step
    assert saved < state.epochs * state.steps_per_epoch
    start_again(cluster, folder, saved)
    cluster("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
    until(lambda: waits(folder), folder)
    start_again(cluster, folder, folder.state().step)
    until(lambda: folder.state().status == "finished", folder)

    whole = create_run(RunSpec(config=quick("training.log_every=1", *SETTINGS), runs_dir=home / "runs"))
    resume_run(whole, lambda *_: None, Inbox(whole))
    assert rows(folder) == rows(whole)
    assert folder.state().test == whole.state().test
    assert list(home.rglob("pwned")) == []


def test_a_run_on_two_nodes_is_requeued_and_ends_like_one_on_two_devices(
    cluster: Cluster, home: Path, quick: Callable[..., Config]
) -> None:
    folder = submit(home, "--sbatch=--partition=two", *overrides("training.nodes=2", *SETTINGS))
    until(lambda: folder.state().step > 0, folder)
    state = folder.state()
    assert state.slurm is not None
    assert (state.slurm.node, "node right has joined" in folder.log_file.read_text()) == ("left", True)
    # Slurm sends SIGTERM to all processes on both nodes.
    cluster("scontrol", "requeue", state.slurm.id)
    until(lambda: waits(folder), folder)
    start_again(cluster, folder, folder.state().step)
    until(lambda: folder.state().status == "finished", folder)

    settings = ("training.devices=2", "training.log_every=1", *SETTINGS)
    whole = create_run(RunSpec(config=quick(*settings), runs_dir=home / "runs"))
    resume_run(whole, lambda *_: None, Inbox(whole))
    assert rows(folder) == rows(whole)
    assert folder.state().test == whole.state().test


def reason(folder: RunFolder) -> str:
    watch.update_waiting([folder])
    waiting = folder.state().waiting
    return waiting.reason if waiting else ""


def test_jobs_that_are_cancelled(cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLED", 0.0)
    long = overrides("training.epochs=100000")
    held, mine = submit(home, "--sbatch=--hold", *long), submit(home, "--sbatch=--hold", *long)
    assert "(JobHeldUser)" in reason(mine)
    # By an administrator, and by the user.
    waiting = held.state().waiting
    assert waiting is not None
    cluster("scancel", waiting.job)
    done = tuitrain(home, "stop", mine.id)
    assert done.returncode == 0, done.stderr
    until(lambda: reason(held) == "" and shown_status(held.state()) == "stopped", held)
    assert "was cancelled before it trained the run" in held.state().reason
    assert shown_status(mine.state()) == "stopped"
    # From the first step: the run was cancelled before it had one.
    assert tuitrain(home, "submit", "--resume", mine.id, "--sbatch=--time=30").returncode == 0
    until(lambda: mine.state().step > 0, mine)
    state = mine.state()
    assert state.slurm is not None
    assert state.slurm.ends is not None
    assert 0 < state.slurm.ends - time.time() <= (parse_duration("30:00") or 0)
    cluster("scancel", state.slurm.id)
    until(lambda: mine.state().status == "stopped", mine)
    assert mine.state().reason == f"Slurm job {state.slurm.id} was cancelled."


def test_slurm_refuses_a_job(cluster: Cluster, home: Path) -> None:
    assert cluster("sinfo", "--version")
    done = tuitrain(home, "submit", "--sbatch=--partition=none")
    assert done.returncode == 2
    assert "nvalid partition" in done.stderr
    assert list((home / "runs").iterdir()) == []


def test_a_job_whose_python_is_missing_ends_the_wait(
    cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch, quick: Callable[..., Config]
) -> None:
    from tuitrain.hosts.slurm.submit import submit_run

    assert cluster("sinfo", "--version")
    monkeypatch.setattr(watch, "SETTLED", 0.0)
    monkeypatch.setattr(sys, "executable", "/no such/python")
    folder = submit_run(RunSpec(config=quick(), runs_dir=home / "runs"))
    until(lambda: reason(folder) == "" and folder.state().status == "failed", folder)
    assert "ended before it trained the run: FAILED" in folder.state().reason
    assert "not found" in folder.state().reason
    assert shlex.quote("/no such/python") in (folder.path / "job.sh").read_text()


def test_an_array_of_workers_trains_a_sweep_across_a_requeue(cluster: Cluster, home: Path) -> None:
    done = tuitrain(home, "sweep", *overrides("optimizer.lr=0.1,0.01", "training.epochs=60"), "--submit", "2")
    assert done.returncode == 0, done.stderr
    sweep = SweepFolder(home / "runs" / ".sweeps" / done.stdout.strip())
    submission = sweep.submission()
    assert submission is not None
    log = RunFolder(sweep.path)
    until(lambda: any(outcome.state and outcome.state.step for outcome in SweepIndex(sweep).refresh()), log)
    rows = cluster("squeue", "--noheader", "--array", f"--jobs={submission.job}", "--format=%i|%T").splitlines()
    task = next(row.partition("|")[0] for row in rows if row.endswith("|RUNNING"))
    assert sweep_status(sweep, SweepIndex(sweep).refresh()) == "running"
    cluster("scancel", "--batch", "--signal=USR1", task)
    until(lambda: cluster("squeue", "--noheader", f"--jobs={task}", "--format=%T").strip() == "PENDING", log)
    states = cluster("squeue", "--noheader", "--array", f"--jobs={submission.job}", "--format=%T").split()
    assert states.count("PENDING") == 1
    cluster("scontrol", "update", f"JobId={task}", "StartTime=now")
    until(lambda: all(outcome.status == "finished" for outcome in SweepIndex(sweep).refresh()), log)
    until(lambda: sweep.sessions() == [], log)
    assert len(list((home / "runs").glob("2*"))) == 2
