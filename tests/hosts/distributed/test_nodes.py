"""Runs on several nodes, here of one machine: they gather, train, lose processes and resume."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hosts.background_runs import ended, read, tuitrain, until
from hosts.distributed.rank_processes import SETTINGS, launcher, losses, tensors, trains_on
from tuitrain.config.schema import Config
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background, start_in_background
from tuitrain.hosts.distributed import join
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, shown_status

Quick = Callable[..., Config]
Joiner = subprocess.Popen[str]


@pytest.fixture
def joining(home: Path) -> Iterator[Callable[[RunFolder], Joiner]]:
    """`joining(run)` starts the command that the log of a waiting run contains."""
    started: list[Joiner] = []

    def start(folder: RunFolder) -> Joiner:
        command = [sys.executable, "-m", "tuitrain", "join", folder.id, "--at", address(folder)]
        process = subprocess.Popen(command, cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def address(folder: RunFolder) -> str:
    """Wait until a run waits for another node; return HOST:PORT."""

    def found() -> list[str]:
        return re.findall(r"tuitrain join \S+ --at (\S+)", folder.state().phase)

    until(lambda: bool(found()), folder)
    return found()[0]


def kill(folder: RunFolder, victim: psutil.Process, node: Joiner) -> str:
    """Kill a process of a run that trains; wait until none is left, and return what `tuitrain join` printed."""
    leading, other = psutil.Process(launcher(folder)), psutil.Process(node.pid)
    everyone = [leading, other, *leading.children(recursive=True), *other.children(recursive=True)]
    os.kill(victim.pid, signal.SIGKILL)
    printed, _ = node.communicate(timeout=60)
    until(lambda: ended(folder), folder)
    _, left = psutil.wait_procs(everyone, 60)
    assert not left
    return printed


def names(folder: RunFolder) -> set[str]:
    return {file.name for file in folder.path.iterdir()}


def test_a_run_on_two_nodes_is_the_run_on_two_devices_and_survives_kills(
    quick: Quick, home: Path, joining: Callable[[RunFolder], Joiner]
) -> None:
    whole, cut = (
        start_in_background(RunSpec(config=quick(setting, *SETTINGS), runs_dir=home / "runs"))
        for setting in ("training.devices=2", "training.nodes=2")
    )
    node = joining(cut)
    trains_on(cut)
    (rank,) = psutil.Process(node.pid).children()
    printed = kill(cut, rank, node)
    assert (cut.state().status, cut.state().reason.partition(".")[0]) == (
        "failed", f"Rank 1 (on {os.uname().nodename}) was killed (signal 9)",
    )  # fmt: skip
    assert "the run failed: Rank 1" in printed

    resume_in_background(cut)
    node = joining(cut)
    trains_on(cut)
    printed = kill(cut, psutil.Process(launcher(cut)), node)
    assert (shown_status(cut.state()), "The leading node is gone" in printed) == ("interrupted", True)

    resume_in_background(cut)
    assert tuitrain(home, "join", cut.id, "--at", address(cut), "--detach").returncode == 0
    for folder in (whole, cut):
        until(lambda folder=folder: ended(folder), folder)  # type: ignore[misc]
        assert (folder.state().status, folder.state().epoch) == ("finished", 5)
    output = cut.path / f"node-{os.uname().nodename}.txt"
    until(lambda: "the run finished" in output.read_text(), cut)
    output.unlink()
    assert losses(read(cut)) == losses(read(whole))
    assert tensors(cut) == tensors(whole)
    # The owner file goes last.
    until(lambda: names(cut) == names(whole), cut)


def test_only_nodes_that_see_the_folder_of_the_run_join_it(
    quick: Quick, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick("training.nodes=2")
    folder = start_in_background(RunSpec(config=config, runs_dir=home / "runs"))
    other = create_run(RunSpec(config=config, runs_dir=home / "other"))
    at = address(folder)

    def refusal(run: RunFolder, at: str = at) -> str:
        with pytest.raises(TuitrainError) as raised:
            join.join(run, at, "", lambda _: None, lambda: False)
        return str(raised.value)

    assert f"trains {folder.id}, not {other.id}" in refusal(other)
    copy = RunFolder(shutil.copytree(folder.path, home / "elsewhere" / folder.id))
    copy.write_config(config)
    (copy.path / "state.json").write_bytes((other.path / "state.json").read_bytes())
    monkeypatch.setattr(join, "_VISIBLE", 0.1)
    assert "is not the folder that the leading node writes" in refusal(copy)
    assert "Nothing can be reached at localhost:1: Connection refused" in refusal(folder, "localhost:1")
    with pytest.raises(RunError, match=r"during its start: Nothing can be reached at localhost:1: Connection refused"):
        join.join_in_background(folder, "localhost:1", "")
    folder.write_config(quick("training.nodes=2", "training.devices=2"))
    assert "would train on 2 devices, and the leading node on 1" in refusal(folder)
    elsewhere = tuitrain(home / "elsewhere", "join", folder.id, "--at", at)
    assert (elsewhere.returncode, "All machines must see the same runs folder" in elsewhere.stderr) == (2, True)

    send(folder, "stop")
    until(lambda: ended(folder), folder)
    assert (folder.state().status, folder.state().reason) == ("stopped", "Stopped by the user.")
