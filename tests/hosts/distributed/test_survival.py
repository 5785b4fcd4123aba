"""Runs on several devices, and on several nodes, here of one machine, are commanded, killed and resumed exactly."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import forked
from hosts.background_runs import ended, read, tuitrain, until
from hosts.distributed.rank_processes import SETTINGS, address, events, kill, launcher, losses, tensors, trains_on
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.background import resume_in_background, start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, shown_status

Quick = Callable[..., Config]
DEVICES = ("training.devices=2", *SETTINGS)
# The file of what `tuitrain join` prints.
PRINTED = "join.txt"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on two devices that nothing disturbs."""
    config = override(Config(), ("training.device=cpu", "training.threads=1", *DEVICES))
    return start_in_background(RunSpec(config=config, runs_dir=tmp_path_factory.mktemp("whole")))


def test_a_run_on_two_devices_survives_commands_and_a_kill_exactly(quick: Quick, home: Path, whole: RunFolder) -> None:
    cut = start_in_background(RunSpec(config=quick(*DEVICES), runs_dir=home / "runs"))
    trains_on(cut)
    send(cut, "pause")
    until(lambda: cut.state().status == "paused", cut)
    send(cut, "resume")
    send(cut, "checkpoint")
    until(lambda: "checkpoint" in events(cut), cut)
    kill(cut, lambda workers: [workers[1].pid])
    assert (cut.state().status, cut.state().reason.partition(".")[0]) == ("failed", "Rank 1 was killed (signal 9)")
    assert events(cut) == ["started", "paused", "resumed", "checkpoint", "failed"]

    resume_in_background(cut)
    for folder in (whole, cut):
        until(lambda folder=folder: ended(folder), folder)  # type: ignore[misc]
        assert (folder.state().status, folder.state().epoch) == ("finished", 5)
    assert losses(read(cut)) == losses(read(whole))
    assert tensors(cut) == tensors(whole)
    assert not [line for line in cut.log_file.read_text().splitlines() if "Traceback" in line or "frame #" in line]


@pytest.fixture
def joining(home: Path) -> Iterator[Callable[[RunFolder], forked.Process]]:
    """`joining(run)` starts the command that the log of a waiting run contains."""
    started: list[forked.Process] = []

    def start(folder: RunFolder) -> forked.Process:
        streams = (os.devnull, home / PRINTED, home / PRINTED)
        started.append(forked.Process(home, "join", folder.id, "--at", address(folder), streams=streams))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def kill_node(folder: RunFolder, victim: psutil.Process, node: forked.Process) -> str:
    """Kill a process of a run that trains; wait until none is left, and return what `tuitrain join` printed."""
    leading, other = psutil.Process(launcher(folder)), psutil.Process(node.pid)
    everyone = [leading, other, *leading.children(recursive=True), *other.children(recursive=True)]
    os.kill(victim.pid, signal.SIGKILL)
    node.wait(60)
    until(lambda: ended(folder), folder)
    _, left = psutil.wait_procs(everyone, 60)
    assert not left
    return (folder.path.parents[1] / PRINTED).read_text()


def names(folder: RunFolder) -> set[str]:
    return {file.name for file in folder.path.iterdir()}


def test_a_run_on_two_nodes_is_the_run_on_two_devices_and_survives_kills(
    quick: Quick, home: Path, whole: RunFolder, joining: Callable[[RunFolder], forked.Process]
) -> None:
    cut = start_in_background(RunSpec(config=quick("training.nodes=2", *SETTINGS), runs_dir=home / "runs"))
    node = joining(cut)
    trains_on(cut)
    (rank,) = psutil.Process(node.pid).children()
    printed = kill_node(cut, rank, node)
    assert (cut.state().status, cut.state().reason.partition(".")[0]) == (
        "failed", f"Rank 1 (on {os.uname().nodename}) was killed (signal 9)",
    )  # fmt: skip
    assert "the run failed: Rank 1" in printed

    resume_in_background(cut)
    node = joining(cut)
    trains_on(cut)
    printed = kill_node(cut, psutil.Process(launcher(cut)), node)
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
