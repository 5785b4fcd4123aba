"""Runs on several devices, in processes that torchrun's agent starts, are commanded, killed and resumed."""

from collections.abc import Callable
from pathlib import Path

from hosts.background_runs import ended, read, until
from hosts.distributed.rank_processes import SETTINGS, events, kill, launcher, losses, tensors, trains_on
from tuitrain.config.schema import Config
from tuitrain.hosts.background import resume_in_background, start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.runs.control import send
from tuitrain.runs.folder import shown_status

Quick = Callable[..., Config]


def test_a_run_on_two_devices_survives_commands_and_kills_exactly(quick: Quick, home: Path) -> None:
    spec = RunSpec(config=quick("training.devices=2", *SETTINGS), runs_dir=home / "runs")
    whole, cut = start_in_background(spec), start_in_background(spec)

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
    kill(cut, lambda _: [launcher(cut)])
    assert shown_status(cut.state()) == "interrupted"

    resume_in_background(cut)
    for folder in (whole, cut):
        until(lambda folder=folder: ended(folder), folder)  # type: ignore[misc]
        assert (folder.state().status, folder.state().epoch) == ("finished", 5)
    assert losses(read(cut)) == losses(read(whole))
    assert tensors(cut) == tensors(whole)
    assert not [line for line in cut.log_file.read_text().splitlines() if "Traceback" in line or "frame #" in line]
