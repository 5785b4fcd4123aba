"""Runs in background processes, started, commanded and resumed from other processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from safetensors import safe_open

from hosts.background_runs import QUICK, TIMEOUT, detached, ended, overrides, read, tuitrain, until
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower

STEPS = 21


def weights(folder: RunFolder, name: str = "last") -> dict[str, bytes]:
    with safe_open(folder.checkpoints / f"{name}.safetensors", framework="numpy") as file:
        return {key: file.get_tensor(key).tobytes() for key in file.keys() if key.startswith("model.")}  # noqa: SIM118


def test_a_detached_run_survives_the_session_that_started_it(home: Path) -> None:
    command = [sys.executable, "-m", "tuitrain", "train", "--detach", "--json", *overrides("training.epochs=30")]
    # A shell with a job, as on the remote side of an SSH connection.
    with subprocess.Popen(
        ["sh", "-c", '"$@"; read forever', "sh", *command],
        cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as shell:  # fmt: skip
        assert shell.stdout is not None
        document = json.loads("".join(iter(shell.stdout.readline, "}\n")) + "}")
        folder = RunFolder(Path(document["path"] if Path(document["path"]).is_absolute() else home / document["path"]))
        assert (document["run"], document["status"]) == (folder.id, "queued")
        assert shown_status(folder.state()) in ("queued", "running")
        process = folder.state().process
        assert process is not None
        assert os.getsid(process.pid) == process.pid != shell.pid
        streams = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in range(3)]
        assert streams == [Path("/dev/null"), folder.log_file.resolve(), folder.log_file.resolve()]
        os.killpg(shell.pid, signal.SIGHUP)
        shell.wait(TIMEOUT)
    until(lambda: ended(folder), folder)
    run = read(folder)
    assert (run.status, run.state.epoch) == ("finished", 30)
    assert run.train.step.tolist() == list(range(1, 30 * STEPS + 1))
    assert run.state.process == process


def test_a_detached_run_obeys_commands_of_other_processes(home: Path) -> None:
    """Every command comes from a new process and is acknowledged by an event."""
    folder = detached(home, "training.epochs=1000000", "training.checkpoint_every=1000", "training.log_every=7")
    run = Follower(folder)

    def has_event(name: str) -> bool:
        while run.poll():
            pass
        return any(event.name == name for event in run.events)

    def command(*words: str) -> None:
        done = tuitrain(home, words[0], folder.id, *words[1:])
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    until(lambda: has_event("started") and len(run.train) > 3, folder)
    command("pause")
    until(lambda: has_event("paused"), folder)
    assert run.status == "paused"
    steps = len(run.train)
    assert weights(folder)
    saved = (folder.checkpoints / "last.safetensors").stat()
    command("checkpoint")
    until(lambda: has_event("checkpoint"), folder)
    assert (folder.checkpoints / "last.safetensors").stat().st_ino != saved.st_ino
    assert set(weights(folder)) == {
        f"model.{layer}.{kind}" for layer in ("layers.0", "layers.2", "head") for kind in ("weight", "bias")
    }
    command("set", "optimizer.lr=0.0005")
    until(lambda: has_event("lr"), folder)
    assert len(run.train) == steps
    command("resume")
    until(lambda: has_event("resumed") and len(run.train) > steps + 5, folder)
    command("set", f"training.epochs={run.state.epoch + 300}")
    until(lambda: has_event("epochs"), folder)
    until(lambda: ended(folder), folder)

    run = read(folder)
    assert run.status == "finished"
    events = {event.name: event for event in run.events}
    assert list(events) == ["started", "paused", "checkpoint", "lr", "resumed", "epochs", "finished"]
    assert events["epochs"].value == run.state.epochs == run.state.epoch
    assert all("@" in events[name].detail for name in ("paused", "checkpoint", "lr", "epochs"))
    rates = list(zip(run.train.step, run.train["lr"], strict=True))
    assert {rate for step, rate in rates if step <= events["lr"].step} == {0.001}
    assert {rate for step, rate in rates if step > events["lr"].step} == {0.0005}


def test_extending_three_epochs_by_two_equals_five_epochs(home: Path) -> None:
    settings = ("model.dropout=0.2", "optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9")
    notify = "notify.command=cat >> heard.json"
    five = detached(home, *settings, "training.epochs=5")
    done = tuitrain(home, "train", "--name", "grown", *overrides(*settings, "training.epochs=3", notify))
    assert done.returncode == 0, done.stderr
    grown = next(RunFolder(path) for path in (home / "runs").iterdir() if path.name != five.id)
    refused = tuitrain(home, "resume", "grown")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "tuitrain: The run has finished, after 3 epochs. Extend it with --epochs +5, or --epochs 8.\n"
    )
    done = tuitrain(home, "resume", "grown", "--epochs", "+2", "--json")
    assert done.returncode == 0, done.stderr
    until(lambda: ended(five), five)

    longer, whole = read(grown), read(five)
    assert longer.state.epochs == longer.state.epoch == 5
    assert weights(grown) == weights(five)
    assert weights(grown, "best") == weights(five, "best")
    for column in ("loss", "accuracy", "lr", "grad_norm", "epoch"):
        assert longer.train[column] == whole.train[column]
        if column in whole.evaluations["validation"].columns:
            assert longer.evaluations["validation"][column] == whole.evaluations["validation"][column]
    assert longer.layers == whole.layers
    assert longer.state.best == whole.state.best
    # notify.command runs at each end, with one JSON document per line.
    notified = [json.loads(line) for line in (home / "heard.json").read_text().splitlines()]
    assert [(result["run"], result["status"], result["epochs"]) for result in notified] == [
        (grown.id, "finished", 3),
        (grown.id, "finished", 5),
    ]
    assert notified[-1]["test"] == json.loads(done.stdout)["test"]


def saved_step(folder: RunFolder) -> int:
    with safe_open(folder.checkpoints / "last.safetensors", framework="numpy") as file:
        state = dict(json.loads(file.metadata()["state"])["dict"])
    return int(dict(state["progress"]["dict"])["step"])


def test_signals_stop_a_detached_run_with_a_checkpoint(home: Path) -> None:
    folder = detached(home, "training.epochs=1000000", "training.checkpoint_every=1000")
    for number in (signal.SIGTERM, signal.SIGINT):
        before = saved_step(folder) if number == signal.SIGINT else 0
        until(lambda: folder.state().step > before + 5, folder)  # noqa: B023
        process = folder.state().process
        assert process is not None
        refused = tuitrain(home, "work", str(folder.path))
        assert refused.returncode == 2
        assert f"Process {process.pid} on {process.host} has owned the run since" in refused.stderr
        os.kill(process.pid, number)
        until(lambda: ended(folder), folder)
        run = read(folder)
        assert (run.status, run.state.reason) == ("stopped", "Stopped by the user.")
        assert saved_step(folder) == run.state.step > before
        if number == signal.SIGTERM:
            done = tuitrain(home, "resume", folder.id, "--detach")
            assert (done.returncode, done.stdout) == (0, f"{folder.id}\n"), done.stderr
    assert run.train.step.tolist() == list(range(1, run.state.step + 1))
    assert [event.name for event in run.events] == ["started", "stopped", "continued", "stopped"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_concurrent_runs_write_each_row_once(home: Path) -> None:
    """Two followers read all runs, and one run is copied, while they are written."""
    folders = [
        start_in_background(RunSpec(config=override(Config(), (*QUICK, "training.epochs=30", f"training.seed={seed}")),
                      runs_dir=home / "runs"))
        for seed in range(2)
    ]  # fmt: skip
    readers = [[Follower(folder) for folder in folders] for _ in range(2)]
    copies = 0
    while not all(ended(folder) for folder in folders):
        for follower in readers[0] + readers[1]:
            follower.poll(0.001)
        copies += copy_is_readable(folders[-1], home / "copy")
        time.sleep(0.05)
    for folder in folders:
        rows = lines(folder.metrics_file)
        by_kind = {
            kind: [row for row in rows if row["kind"] == kind]
            for kind in ("train", "layers", "resources", "evaluation", "event")
        }
        assert sum(map(len, by_kind.values())) == len(rows)
        assert [row["step"] for row in by_kind["train"]] == list(range(1, 30 * STEPS + 1))
        assert [row["step"] for row in by_kind["layers"]] == [50, 500]
        assert [row["step"] for row in by_kind["evaluation"]] == [*range(STEPS, 30 * STEPS + 1, STEPS), 30 * STEPS]
        assert [row["name"] for row in by_kind["event"]] == ["started", "finished"]
    for follower in readers[0] + readers[1]:
        while follower.poll():
            pass
        whole = read(follower.folder)
        assert (follower.status, follower.damaged_rows) == ("finished", 0)
        assert follower.train.step == whole.train.step
        assert follower.train.columns == whole.train.columns
        assert follower.layers == whole.layers
    assert copies > 3


def copy_is_readable(folder: RunFolder, target: Path) -> bool:
    """Copy a run while it is written; check that no row is missing or damaged; return whether it has rows."""
    shutil.rmtree(target, ignore_errors=True)
    # A temporary file may disappear while cp runs; cp reports that and copies the other files.
    subprocess.run(["cp", "-r", folder.path, target], capture_output=True, check=False)
    run = read(RunFolder(target))
    assert run.train.step.tolist() == list(range(1, len(run.train) + 1))
    return len(run.train) > 0
