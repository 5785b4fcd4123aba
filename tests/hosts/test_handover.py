"""Move a run to a background process, or stop it, in every phase of its preparation."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hosts.thread_runs import ENDLESS, event_names, start_training
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import code_key
from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder

Quick = Callable[..., Config]


class Handovers:
    """Replaces the start of background processes; `since` are the offsets from which these would read commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.since: list[int | None] = []
        self.on_start: Callable[[], None] = lambda: None
        monkeypatch.setattr("tuitrain.hosts.thread.resume_in_background", self._start)

    def _start(
        self, folder: RunFolder, epochs: int | None, since: int | None, *, allowed_key: str, schedule: str
    ) -> None:
        assert (epochs, allowed_key, schedule) == (None, code_key([]), "stretch")
        assert not (folder.path / "owner.json").exists()
        self.since.append(since)
        self.on_start()


@pytest.fixture
def handovers(monkeypatch: pytest.MonkeyPatch) -> Handovers:
    return Handovers(monkeypatch)


@pytest.fixture
def at_phase(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[ThreadHost], None]], None]:
    """`at_phase(words, act)` calls `act(host)` when a preparation reports an activity that begins with `words`, or for
    "created" when the run has a folder."""

    def install(words: str, act: Callable[[ThreadHost], None]) -> None:
        report, created = ThreadHost._report, ThreadHost._on_created

        def report_and_act(host: ThreadHost, activity: str, fraction: float | None) -> None:
            report(host, activity, fraction)
            if activity.startswith(words):
                act(host)

        def create_and_act(host: ThreadHost, folder: RunFolder, inbox: Inbox) -> None:
            created(host, folder, inbox)
            if words == "created":
                act(host)

        monkeypatch.setattr(ThreadHost, "_report", report_and_act)
        monkeypatch.setattr(ThreadHost, "_on_created", create_and_act)

    return install


PHASES = ("loading torch", "reading digits", "building the model", "created")


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_detached_in_any_phase_is_handed_over_once(
    host: ThreadHost, handovers: Handovers, at_phase: Any, quick: Quick, tmp_path: Path, phase: str
) -> None:
    at_phase(phase, ThreadHost.detach)
    host.start(RunSpec(config=quick(*ENDLESS), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert (host.error, handovers.since) == (None, [0])
    assert host.folder is not None
    assert host.folder.state().status == "queued"
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("order", [("detach", "cancel"), ("cancel", "detach")])
def test_a_run_both_detached_and_cancelled_stops(
    host: ThreadHost, handovers: Handovers, at_phase: Any, quick: Quick, tmp_path: Path, phase: str, order: Any
) -> None:
    """As when a server shuts down, which sends SIGTERM and closes the terminal."""
    at_phase(phase, lambda host: [getattr(host, name)() for name in order])
    host.start(RunSpec(config=quick(*ENDLESS), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert (host.error, handovers.since) == (None, [])
    assert host.folder is None or host.folder.state().status == "stopped"


@pytest.mark.parametrize("phase", ["loading torch", "preparing", "reading digits", "building the model", "created"])
def test_a_resumed_run_detached_in_any_phase_is_handed_over_once(
    host: ThreadHost, handovers: Handovers, at_phase: Any, queued: RunFolder, phase: str
) -> None:
    at_phase(phase, ThreadHost.detach)
    host.resume(queued)
    assert host.join(60)
    assert (host.error, handovers.since, queued.state().status) == (None, [0], "queued")


def test_a_stop_during_the_handover_reaches_the_next_process(
    host: ThreadHost, handovers: Handovers, at_phase: Any, quick: Quick, tmp_path: Path
) -> None:
    handovers.on_start = host.cancel
    at_phase("loading torch", ThreadHost.detach)
    host.start(RunSpec(config=quick(*ENDLESS), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert host.folder is not None
    assert [command.name for command in Inbox(host.folder, 0).new()] == ["stop"]


def test_detaching_twice_at_once_hands_the_run_over(
    host: ThreadHost, handovers: Handovers, quick: Quick, tmp_path: Path
) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    assert host._inbox is not None
    host._inbox._waiting.extend([Command("detach", 0.0), Command("checkpoint", 0.0), Command("detach", 0.0)])
    assert host.join(60)
    assert (len(handovers.since), folder.state().status) == (1, "queued")
    assert event_names(folder) == ["started", "checkpoint", "detached"]


@pytest.mark.parametrize("place", ["file/runs", "read-only/runs"])
def test_a_runs_folder_that_cannot_be_created_is_reported_before_the_data_is_read(
    host: ThreadHost, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "read-only").mkdir(0o555)
    may_access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "read-only" not in path and may_access(path, mode))
    monkeypatch.setattr("tuitrain.hosts.launch.LogCapture", lambda: pytest.fail("the preparation began"))
    host.start(RunSpec(config=quick(), runs_dir=tmp_path / place))
    assert host.join(60)
    assert isinstance(host.error, RunError)
    assert f"Cannot create a run in {tmp_path / place}: " in str(host.error)


def test_a_deleted_working_folder_is_reported(
    host: ThreadHost, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """oneMKL would end the process."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    host.start(RunSpec(config=quick(), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert str(host.error) == "The working folder has been deleted. Change to another folder first: cd ~"
