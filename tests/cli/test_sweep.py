"""Sweeps on the command line: real processes, killed and resumed, one or several at once."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.sweeps import SMALL, command, end, look, start
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.follower import Follower
from tuitrain.runs.process import alive
from tuitrain.runs.sweeps.catalog import create_sweep, find_sweep, list_sweeps
from tuitrain.runs.sweeps.claims import job_owner
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.sweeps.records import Job

GRID = f"""{SMALL}
[sweep]
name = "grid"
seeds = 2
parallel = 2
[sweep.values]
"optimizer.name" = ["sgd", "adam", "adamw"]
"optimizer.lr" = [0.1, 0.01]
"model.activation" = ["relu", "sigmoid"]
"""

TPE = f"""{SMALL}
[sweep]
name = "shared"
method = "tpe"
trials = 12
[sweep.values]
"optimizer.lr" = {{low = 1e-4, high = 1e-1, log = true}}
"data.batch_size" = {{low = 32, high = 128}}
"model.hidden" = [[8], [16, 16]]
"""

LONG = f"""{SMALL.replace("epochs = 1", "epochs = 250")}
[sweep]
parallel = 2
[sweep.values]
"optimizer.name" = ["sgd", "adam"]
"""

STACKED = f"""{SMALL.replace("epochs = 1", "epochs = 25")}
[sweep]
stack = 8
seeds = 3
[sweep.values]
"optimizer.lr" = [0.001, 0.002]
[[sweep.extra]]
"model.dropout" = 0.1
"training.epochs" = 1
"""


def until(process: "subprocess.Popen[str]", true: Callable[[], Any]) -> Any:
    """Return the first true value of `true`; fail if the process ends before."""
    while not (found := true()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            pytest.fail(f"ended with {process.returncode}: {process.stderr.read() if process.stderr else ''}")
    return found


def started(home: Path, process: "subprocess.Popen[str]") -> SweepFolder:
    folder: SweepFolder = until(process, lambda: next(list_sweeps(home / "runs"), None))
    return folder


def events(run: RunFolder) -> Counter[str]:
    follower = Follower(run)
    while follower.poll():
        pass
    return Counter(event.name for event in follower.events)


def test_a_killed_sweep_resumes_and_trains_each_run_once(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    process = start(tmp_path, "-c", "grid.toml")
    folder = started(tmp_path, process)
    until(process, lambda: sum(one.done for one in look(folder)) >= 6)
    process.send_signal(signal.SIGKILL)
    end(process)
    before = {one.job: one.run.id for one in look(folder) if one.done and one.run}
    assert 6 <= len(before) < 24

    status, out, err = command(tmp_path, folder.id, "--json")
    assert status == 0, err
    result = json.loads(out)
    assert result["status"] == "finished"
    assert [run["status"] for run in result["runs"]] == ["finished"] * 24
    combinations = {(*run["values"].values(), run["seed"]) for run in result["runs"]}
    assert len(combinations) == 24
    runs = list(folders(tmp_path / "runs"))
    assert {run.id for run in runs} == {run["run"] for run in result["runs"]}
    assert len(runs) == 24
    outcomes = {one.job: one for one in look(folder)}
    for job, run_id in before.items():
        run = outcomes[job].run
        assert run is not None
        assert run.id == run_id
    for one in outcomes.values():
        assert one.run is not None
        seen = events(one.run)
        assert (seen["started"], seen["finished"]) == (1, 1)
        config, info = one.run.config(), one.run.info()
        assert (config.optimizer.name, config.optimizer.lr, config.training.seed) == (
            (one.values or {})["optimizer.name"],
            (one.values or {})["optimizer.lr"],
            one.job.seed,
        )
        assert config.training.threads == info.threads
        assert (info.tags, info.parent) == (["sweep:grid"], folder.id)
    best = max(
        {run["trial"] for run in result["runs"]},
        key=lambda trial: sum(run["metric"] for run in result["runs"] if run["trial"] == trial),
    )
    assert result["best"]["trial"] == best
    assert result["best"]["n"] == 2


def test_two_processes_share_one_sweep(tmp_path: Path) -> None:
    folder = create_sweep(tmp_path / "runs", TPE)
    both = [start(tmp_path, folder.id, "--json") for _ in range(2)]
    # A terminal that goes away ends nothing.
    until(both[0], lambda: both[0].pid in {session.process.pid for session in folder.sessions()})
    both[0].send_signal(signal.SIGHUP)
    ended = [end(process) for process in both]
    assert [status for status, _, _ in ended] == [0, 0], ended
    outcomes = look(folder)
    assert [one.status for one in outcomes] == ["finished"] * 12
    runs = [one.run for one in outcomes if one.run]
    assert {run.id for run in folders(tmp_path / "runs")} == {run.id for run in runs}
    assert len({run.id for run in runs}) == 12
    assert all(events(run)["started"] == 1 for run in runs)
    processes = {one.state.process.pid for one in outcomes if one.state and one.state.process}
    assert len(processes) == 2
    values = [one.values or {} for one in outcomes]
    assert len({value["optimizer.lr"] for value in values}) > 6
    assert all(1e-4 <= value["optimizer.lr"] <= 0.1 and 32 <= value["data.batch_size"] <= 128 for value in values)
    assert all(value["model.hidden"] in ((8,), (16, 16)) for value in values)


def test_a_killed_worker_loses_only_steps_and_a_stopped_sweep_resumes(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(LONG, encoding="utf-8")
    status, out, err = command(tmp_path, "-c", "long.toml", "--detach", "--json")
    assert status == 0, err
    folder = find_sweep(tmp_path / "runs", json.loads(out)["sweep"])
    (session,) = folder.sessions()
    watched = subprocess.Popen(["tail", f"--pid={session.process.pid}", "-f", os.devnull], text=True)

    def training() -> list[Outcome]:
        outcomes = look(folder)
        return outcomes[:2] if all(one.state and one.state.epoch > 2 for one in outcomes[:2]) else []

    # Said from elsewhere, to those who work on it.
    status, out, err = command(tmp_path, folder.id, "--add", "optimizer.name=adamw", "training.epochs=1")
    assert (status, out) == (0, "")
    assert f"3 trials, 3 runs in total; process {session.process.pid} trains it" in err
    first, second = until(watched, training)
    assert job_owner(folder, first.job) != job_owner(folder, second.job)
    holder = job_owner(folder, first.job)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until(watched, lambda: events(first.run)["continued"])
    assert command(tmp_path, folder.id, "--stop")[0] == 0
    watched.wait(60)
    assert not folder.sessions()
    stopped = look(folder)[:2]
    assert "interrupted" in {one.status for one in stopped}
    assert all(one.state and one.state.process and not alive(one.state.process, 0) for one in stopped)

    # What is left takes seconds; one epoch more than it has is as good.
    status, out, err = command(tmp_path, folder.id, "--first", "2")
    assert (status, out) == (0, "")
    assert "No worker is running; resume it with: tuitrain sweep" in err
    status, out, err = command(tmp_path, folder.id, "--show", "--json")
    assert status == 0, err
    assert json.loads(out)["status"] == "stopped"
    assert folder.jobs()[0] == Job(2, 0)
    status, out, err = command(tmp_path, folder.id, "--json", "--parallel", "1")
    assert status == 0, err
    assert [run["status"] for run in json.loads(out)["runs"]] == ["finished"] * 3
    assert len(list(folders(tmp_path / "runs"))) == 3
    for one in look(folder):
        assert one.run is not None
        assert one.state is not None
        assert one.state.epoch == (1 if one.job.trial == 2 else 250)
        assert events(one.run)["started"] == 1


def test_a_killed_stack_resumes_and_trains_each_run_once(tmp_path: Path) -> None:
    (tmp_path / "stacked.toml").write_text(STACKED, encoding="utf-8")
    process = start(tmp_path, "-c", "stacked.toml", "--json")
    folder = started(tmp_path, process)

    def training() -> list[Outcome]:
        stacked = [one for one in look(folder) if one.job.trial < 2]
        return stacked if all(one.state and one.state.epoch > 1 for one in stacked) else []

    stacked = until(process, training)
    (holder,) = {job_owner(folder, one.job) for one in stacked}
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until(process, lambda: all(events(one.run)["continued"] for one in stacked))
    send(stacked[0].run, "stop")
    status, out, err = end(process)
    assert status == 0, err
    runs = json.loads(out)["runs"]
    assert Counter(run["status"] for run in runs) == {"finished": 8, "stopped": 1}
    assert len(list(folders(tmp_path / "runs"))) == 9
    for one in look(folder):
        assert one.run is not None
        seen = events(one.run)
        assert (seen["started"], seen["finished"] + seen["stopped"]) == (1, 1)
        log = one.run.log_file.read_text(encoding="utf-8")
        # A network that draws random numbers is trained alone.
        assert ("trained beside 5 other runs" in log) == (one.job.trial < 2)
