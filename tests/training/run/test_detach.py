"""Runs stopped or detached at any moment are bit-identical to uninterrupted ones."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.run.resumed_runs import FALLING, LONG, PATIENCE, RECIPES, Quick, Read, assert_same, create, until
from tuitrain.hosts.launch import RunSpec, resume_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import CommandName, Inbox, send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.training import control as control_module
from tuitrain.training import loop as loop_module

MakeInbox = Callable[..., Any]

SHORT = ("training.epochs=3", "training.log_every=4", "data.batch_size=128")

MORE = {
    "rmsprop, step": ("optimizer.name=rmsprop", "optimizer.momentum=0.5", "schedule.name=step", "schedule.every=0.5"),
    "nadam, exponential": ("optimizer.name=nadam", "schedule.name=exponential", "optimizer.clip_norm=0.5"),
    "cnn, crop, bf16": ("model.name=cnn", "data.augment=[crop]", "training.precision=bf16", "model.batch_norm=true"),
    "nesterov, label smoothing": (
        "optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9", "optimizer.nesterov=true",
        "training.label_smoothing=0.1", "data.validation=0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("recipe", [*RECIPES, *MORE])
def test_runs_stopped_and_detached_at_random_polls(
    quick: Quick, read: Read, tmp_path: Path, poll_inbox: MakeInbox, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    config = quick(*(RECIPES | MORE)[recipe], *SHORT)
    uncut, cut = create(config, tmp_path), create(config, tmp_path)
    whole = poll_inbox(uncut, 0, "stop")
    resume_run(uncut, lambda *_: None, whole)
    moments = random.Random(recipe)
    for name, status in (("stop", "stopped"), ("detach", "queued"), ("stop", "stopped"), ("detach", "queued")):
        poll = moments.randint(1, whole.polls // 5)
        assert resume_run(cut, lambda *_: None, poll_inbox(cut, poll, name)).status == status
    assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
    assert_same(read(cut), read(uncut))


def test_a_thread_detaches_its_run_to_a_background_process(quick: Quick, read: Read, tmp_path: Path) -> None:
    """As when the terminal is closed."""
    config = quick(*LONG, "model.dropout=0.2")
    uncut, host = create(config, tmp_path), ThreadHost()
    host.resume(uncut)
    assert host.join(PATIENCE)
    host.start(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    until(lambda: host.folder is not None and host.folder.state().step > 0)
    host.detach()
    assert host.join(PATIENCE)
    assert host.error is None
    assert host.in_background
    folder = host.folder
    assert folder is not None
    until(lambda: shown_status(folder.state()) not in ("queued", "running"))
    assert_same(read(folder), read(uncut))
    events = [event.name for event in read(folder).events]
    assert events == ["started", "detached", "continued", "finished"]


class EvaluationInbox(Inbox):
    """Sends a command at the given poll during an evaluation; `polls` counts them."""

    def __init__(self, folder: RunFolder, poll: int, name: CommandName) -> None:
        super().__init__(folder)
        self.polls, self._poll_number, self._name = 0, poll, name

    def leaving(self) -> bool:
        self.polls += 1
        if self.polls == self._poll_number:
            self.put(self._name)
        return super().leaving()


def test_stop_and_detach_during_any_evaluation(
    quick: Quick, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(control_module, "POLL_INTERVAL", 0.0)
    # One batch per split, so one poll per evaluation.
    monkeypatch.setattr("tuitrain.training.evaluation.evaluate.CPU_BATCH", 1000)
    config = quick(*FALLING, "data.batch_size=128", "training.epochs=2", "evaluation.test_every=1", "model.dropout=0.1")
    uncut = create(config, tmp_path)
    whole = EvaluationInbox(uncut, 0, "stop")
    resume_run(uncut, lambda *_: None, whole)
    # Two during preparation, validation and test after each epoch, at the end the test of the last weights, and both
    # with those of the first epoch, which are the best.
    assert whole.polls == 2 + 4 + 3
    for poll in range(1, whole.polls + 1):
        cut, name = create(config, tmp_path), ("stop", "detach")[poll % 2]
        ended = resume_run(cut, lambda *_: None, EvaluationInbox(cut, poll, name))  # type: ignore[arg-type]
        assert ended.status == ("stopped", "queued")[poll % 2]
        assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
        assert_same(read(cut), read(uncut))


@pytest.mark.parametrize(("name", "status"), [("stop", "stopped"), ("detach", "queued")])
def test_stop_and_detach_during_preparation(
    quick: Quick, read: Read, tmp_path: Path, poll_inbox: MakeInbox, name: CommandName, status: str
) -> None:
    config = quick(*SHORT)
    uncut, cut = create(config, tmp_path), create(config, tmp_path)
    resume_run(uncut, lambda *_: None, Inbox(uncut))
    inbox, reports = Inbox(cut), []

    def prepare(doing: str, _: float | None) -> None:
        reports.append((doing, cut.state().phase))
        if doing == "building the model":
            send(cut, name)
            send(cut, "pause")

    state = resume_run(cut, prepare, inbox)
    assert (state.status, state.step, state.phase) == (status, 0, "paused" if status == "queued" else "")
    assert reports[-1][0] == "building the model"
    assert [event.name for event in read(cut).events] == [{"stop": "stopped", "detach": "detached"}[name]]
    assert resume_run(cut, lambda *_: None, poll_inbox(cut, 2, "resume")).status == "finished"
    assert_same(read(cut), read(uncut))
