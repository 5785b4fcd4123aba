"""`tuitrain resume --epochs`: the learning rate of the longer run."""

import signal
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tuitrain.cli.parser import parse
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.writer import RunWriter

Train = Callable[..., Follower]
WriteRun = Callable[..., RunFolder]


@pytest.fixture
def finished(write_run: WriteRun) -> RunFolder:
    """A finished run of three epochs, whose last learning rate is a hundredth of the first."""
    folder = write_run("mine", "schedule.name=cosine", "training.epochs=3")
    state = msgspec.structs.replace(folder.state(), epoch=3, epochs=3, step=60, steps=60, steps_per_epoch=20)
    (folder.checkpoints / "last.safetensors").touch()
    folder.state_file.write_bytes(msgspec.json.encode(state))
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    started: list[tuple[int, str]] = []

    def start(_: RunFolder, epochs: int, *, allowed_key: str, schedule: str) -> None:  # noqa: ARG001
        started.append((epochs, schedule))

    monkeypatch.setattr("tuitrain.cli.commands.resume.resume_in_background", start)
    return started


def resume(*arguments: Any) -> None:
    options = parse(["resume", *map(str, arguments)])
    options.run(options)


def test_the_jump_of_the_rate_is_said_before_it_happens(
    finished: RunFolder, started: list[tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    resume(finished.path, "--epochs", "+2", "--detach")
    assert started == [(5, "stretch")]
    assert capsys.readouterr().err.splitlines()[0] == (
        "the learning rate goes from 1e-05 to 0.000343, because cosine now spans 5 epochs; "
        "--schedule hold keeps the last rate, --schedule restart begins a new cycle"
    )


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("stretch", "the learning rate goes from 1e-05 to 0.000343, because cosine now spans 5 epochs"),
        ("hold", "cosine ends with epoch 3, and the learning rate stays at 1e-05 after it"),
        ("restart", "the learning rate goes from 1e-05 to 0.001, because a new cycle of cosine spans 2 epochs"),
    ],
)
def test_the_user_chooses_the_schedule(
    finished: RunFolder, started: list[tuple[int, str]], capsys: pytest.CaptureFixture[str], schedule: str, said: str
) -> None:
    resume(finished.path, "--epochs", 5, "--schedule", schedule, "--detach")
    assert started == [(5, schedule)]
    assert capsys.readouterr().err.splitlines()[0] == said


def test_a_schedule_without_epochs_is_refused(finished: RunFolder) -> None:
    with pytest.raises(ConfigError, match="--schedule needs --epochs"):
        resume(finished.path, "--schedule", "hold")


def test_a_paused_run_receives_the_schedule(write_run: WriteRun) -> None:
    folder = write_run("mine", status="paused")
    inbox = Inbox(folder)
    resume(folder.path, "--epochs", 200, "--schedule", "hold")
    assert [(sent.name, sent.value, sent.schedule) for sent in inbox.new()] == [
        ("epochs", 200, "hold"),
        ("resume", None, ""),
    ]


def test_a_run_that_waits_in_the_queue_starts_at_once(
    finished: RunFolder, started: list[tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    resume(finished.path, "--epochs", "+2", "--schedule", "hold", "--queue")
    capsys.readouterr()
    resume(finished.path, "--detach")
    assert "The run no longer waits in the queue; it starts now.\n" in capsys.readouterr().err
    resume(finished.path, "--epochs", "9", "--detach")
    assert started == [(5, "hold"), (9, "stretch")]


def test_the_background_process_applies_the_schedule(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    folder = train("training.epochs=1", "schedule.name=cosine", "model.hidden=[4]").folder
    options = parse(["work", str(folder.path), "--epochs", "2", "--schedule", "hold"])
    assert options.run(options) == 0
    state = folder.state()
    assert (state.status, state.epoch, state.schedule_end) == ("finished", 2, 1)


def test_a_state_without_a_schedule_is_that_of_an_older_version(write_run: WriteRun) -> None:
    folder = write_run("old")
    state = msgspec.json.decode(folder.state_file.read_bytes())
    del state["schedule_start"], state["schedule_end"]
    folder.state_file.write_bytes(msgspec.json.encode(state))
    writer = RunWriter(folder)
    assert (writer.previous.schedule_start, writer.previous.schedule_end) == (0, None)
    writer.close()
