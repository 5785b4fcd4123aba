"""Training in a thread, controlled by commands in the control file."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, DataError, RunError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Command, Inbox, ask, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.training import checkpoint

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]
ENDLESS = ("training.epochs=1000000", "training.checkpoint_every=1000")


@pytest.fixture
def host() -> Iterator[ThreadHost]:
    host = ThreadHost()
    yield host
    host.cancel()
    assert host.join(60)


@pytest.fixture
def queued(quick: Quick, tmp_path: Path) -> RunFolder:
    """A run that is created but not trained."""
    return create_run(RunSpec(config=quick(), runs_dir=tmp_path / "runs"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def start_training(host: ThreadHost, config: Config, tmp_path: Path) -> RunFolder:
    """Start a run, wait for its first metrics row and return its folder."""
    host.start(RunSpec(config=config, runs_dir=tmp_path / "runs", name="mine", command="a command"))
    until(lambda: host.folder is not None or host.ended.is_set())
    assert host.folder is not None
    folder = host.folder
    until(lambda: len(follow(folder).train) > 0)
    return folder


def follow(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    return follower


def event_names(folder: RunFolder) -> list[str]:
    return [event.name for event in follow(folder).events]


def test_start_trains_a_run_to_the_end(host: ThreadHost, quick: Quick, read: Read, tmp_path: Path) -> None:
    assert not host.busy
    assert host.join(0)
    host.start(RunSpec(config=quick("training.epochs=2"), runs_dir=tmp_path, name="mine", command="a command"))
    assert host.join(60)
    assert not host.busy
    assert host.error is None
    assert host.folder is not None
    run = read(host.folder)
    assert run.state.status == "finished"
    assert (run.info.name, run.info.command, run.info.threads) == ("mine", "a command", 1)
    assert run.info.model == "mlp 64-128-256-10"
    assert run.info.sizes == {"train": 1293, "validation": 144, "test": 360}
    assert [folder.name for folder in tmp_path.iterdir() if not folder.name.startswith(".")] == [host.folder.id]


def test_training_in_a_thread_equals_training_in_the_main_thread(
    host: ThreadHost, quick: Quick, train: Callable[..., Follower], tmp_path: Path
) -> None:
    settings = ("training.epochs=3", "model.dropout=0.3", "data.augment=[shift]")
    host.start(RunSpec(config=quick(*settings), runs_dir=tmp_path))
    assert host.join(60)
    assert host.folder is not None
    left, right = (
        checkpoint.load(folder.checkpoints / "last.safetensors")["model"]
        for folder in (host.folder, train(*settings).folder)
    )
    assert all(torch.equal(left[name], right[name]) for name in right)


def test_stop_saves_a_checkpoint_and_ends_the_thread(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "stop")
    assert host.join(60)
    state = folder.state()
    assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    saved = checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]
    assert saved["step"] == state.step > 0
    assert not (folder.path / "owner.json").exists()


def test_pause_and_resume(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "pause")
    until(lambda: folder.state().status == "paused")
    step, rows = folder.state().step, len(follow(folder).train)
    # No step is taken until the next heartbeat.
    beat = folder.state().heartbeat
    until(lambda: folder.state().heartbeat > beat)
    assert (folder.state().step, len(follow(folder).train)) == (step, rows)
    assert checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] == step
    send(folder, "resume")
    until(lambda: folder.state().status == "running" and folder.state().step > step)
    assert host.busy
    send(folder, "stop")
    assert host.join(60)
    assert event_names(folder) == ["started", "paused", "resumed", "stopped"]


def test_pauses_do_not_count_as_training_time(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "pause")
    until(lambda: folder.state().status == "paused")
    beat, seconds = folder.state().heartbeat, folder.state().seconds
    until(lambda: folder.state().heartbeat > beat)
    assert folder.state().seconds == seconds


def test_the_checkpoint_command_saves_a_checkpoint(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "checkpoint")
    until(lambda: "checkpoint" in event_names(folder))
    event = next(event for event in follow(folder).events if event.name == "checkpoint")
    assert checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] >= event.step > 0
    assert host.busy


def test_a_host_trains_one_run_at_a_time(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    with pytest.raises(RunError, match="This app is training a run"):
        host.start(RunSpec(config=quick(), runs_dir=tmp_path))
    assert host.folder is folder
    host.cancel()
    assert host.join(60)
    assert folder.state().status == "stopped"
    host.start(RunSpec(config=quick("training.epochs=1"), runs_dir=tmp_path / "second"))
    assert host.join(60)
    assert host.folder is not None
    assert host.folder.state().status == "finished"


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        (("data.transform=/no/such.py:change",), DataError, "cannot be read"),
        (("data.dataset=image-folder", "data.dir=/no/such/folder"), DataError, "/no/such/folder"),
        (("training.precision=fp16",), ConfigError, "fp16 needs a GPU"),
    ],
)
def test_a_failed_preparation_creates_no_run(
    host: ThreadHost, quick: Quick, tmp_path: Path, settings: tuple[str, ...], error: type[Exception], sentence: str
) -> None:
    host.start(RunSpec(config=quick(*settings), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert isinstance(host.error, error)
    assert sentence in str(host.error)
    assert host.folder is None
    assert not (tmp_path / "runs").exists()
    # The next run can be started.
    host.start(RunSpec(config=quick("training.epochs=1"), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert host.error is None


def test_start_fails_if_the_runs_folder_is_a_file(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    host.start(RunSpec(config=quick(), runs_dir=tmp_path / "file"))
    assert host.join(60)
    assert isinstance(host.error, RunError)
    assert "Cannot create a run in" in str(host.error)


WAITS = """
import pathlib, time
(pathlib.Path(__file__).parent / "preparing").touch()
while not (pathlib.Path(__file__).parent / "go").exists():
    time.sleep(0.005)
def change(images):
    return images
"""


def test_cancel_during_preparation_creates_no_run(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    config = quick(f"data.transform={tmp_path}/waits.py:change")
    host.start(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    until(lambda: (tmp_path / "preparing").exists())
    assert host.busy
    assert host.folder is None
    assert host.activity
    host.cancel()
    (tmp_path / "go").touch()
    assert host.join(60)
    assert host.folder is None
    assert host.error is None
    assert not (tmp_path / "runs").exists()


def test_an_exception_in_user_code_fails_the_run_and_is_logged(
    host: ThreadHost, quick: Quick, read: Read, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("def change(images):\n    return images / 0 + no_such_name\n")
    host.start(RunSpec(config=quick(f"data.transform={tmp_path}/mine.py:change"), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert host.error is None
    assert host.folder is not None
    run = read(host.folder)
    assert run.state.status == "failed"
    assert "NameError: name 'no_such_name' is not defined" in run.state.reason
    assert "Traceback" not in run.state.reason
    assert any("Traceback" in line for line in run.log)
    assert any("mine.py" in line and "line 2" in line for line in run.log)
    assert capfd.readouterr() == ("", "")


def test_set_reports_whether_the_loop_applied_or_refused_a_change(
    host: ThreadHost, quick: Quick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    until(lambda: folder.state().epoch > 2)

    def set_values(*changes: str) -> tuple[int, str]:
        status = main(["set", "mine", *changes, "--runs-dir", str(folder.path.parent)])
        return status, capsys.readouterr().err

    assert set_values("optimizer.lr=0.5", "training.epochs=900000") == (
        0, f"lr 0.5: applied by {folder.id}\nepochs 900000: applied by {folder.id}\n",
    )  # fmt: skip
    assert (folder.state().lr, folder.state().epochs) == (0.5, 900000)
    status, message = set_values("optimizer.lr=0.25", "training.epochs=1")
    assert (status, folder.state().lr) == (2, 0.5)
    assert "training.epochs = 1 is not allowed: epoch" in message
    # The command cannot check the value itself if the state does not show the current epoch.
    monkeypatch.setattr(State, "begun", 0)
    status, message = set_values("training.epochs=1")
    assert status == 2
    assert "training.epochs = 1 is not allowed: epoch" in message
    assert f"Sent by {follow(folder).events[1].detail}." in message
    answer = ask(folder, "lr", -1.0, 60)
    assert answer is not None
    assert answer.detail.startswith("optimizer.lr = -1 is not allowed: it must be")
    first, second = (line[9:] for line in follow(folder).log if "refused" in line)
    assert message == f"tuitrain: {first.removeprefix('refused: ')}\n"
    assert second == f"refused: {answer.detail}"
    assert event_names(folder) == ["started", "lr", "epochs", "refused", "refused"]


def test_ask_times_out_but_the_command_stays_in_the_control_file(queued: RunFolder) -> None:
    rows = queued.metrics_file.read_bytes()
    assert ask(queued, "lr", 0.5, 0.1) is None
    assert b'"lr"' in queued.control_file.read_bytes()
    assert queued.metrics_file.read_bytes() == rows


class Handovers:
    """Replaces the start of background processes; `since` are the offsets from which these would read commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.since: list[int | None] = []
        self.on_start: Callable[[], None] = lambda: None
        monkeypatch.setattr("tuitrain.hosts.thread.resume_in_background", self._start)

    def _start(self, folder: RunFolder, since: int | None) -> None:
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
