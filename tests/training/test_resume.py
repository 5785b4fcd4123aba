"""Runs that are killed, stopped or detached at any moment are bit-identical to uninterrupted ones."""

import hashlib
import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs import writer as writer_module
from tuitrain.runs.control import CommandName, Inbox, send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training import control as control_module
from tuitrain.training import loop as loop_module

Quick = Callable[..., Config]
MakeInbox = Callable[..., Any]
Read = Callable[[RunFolder], Follower]
PATIENCE = 60
# Enough steps to kill the run among them, and rows at other steps than checkpoints.
LONG = ("data.batch_size=16", "training.epochs=4", "training.log_every=3", "training.checkpoint_every=0.01")
RECIPES = {
    "sgd with momentum, one-cycle, dropout": (
        "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.lr=0.02", "schedule.name=one-cycle",
        "model.dropout=0.2", "evaluation.test_every=1",
    ),
    "adam, plateau, augmentation": (
        "schedule.name=plateau", "schedule.patience=0", "optimizer.lr=0.003", "data.augment=[shift, flip]",
    ),
    "muon, cosine, all random": (
        "optimizer.name=muon", "optimizer.momentum=0.95", "schedule.name=cosine", "schedule.warmup=0.5",
        "data.augment=[shift]", "model.dropout=0.3", "model.hidden=[64, 32]",
    ),
    "sgd with momentum, plateau that drops": (
        "optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.95", "schedule.name=plateau",
        "schedule.patience=0", "model.dropout=0.1", "data.augment=[flip]",
    ),
    "a network that saves for long": (
        "optimizer.name=adamw", "model.hidden=[512, 512]", "model.batch_norm=true", "optimizer.accumulate=2",
    ),
}  # fmt: skip
# Forked processes that have imported torch already, so that starting many of them is quick.
server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["tuitrain.training.run", "sklearn.datasets", "tuitrain.cli.work", "torch._dynamo"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0002)


def in_main_thread(path: str) -> None:
    setattr(loop_module, "POLL_INTERVAL", 0.01)  # noqa: B010
    main(["work", path])


def in_a_thread(path: str) -> None:
    setattr(loop_module, "POLL_INTERVAL", 0.01)  # noqa: B010
    host = ThreadHost()
    host.resume(RunFolder(Path(path)))
    host.join()


Host = Callable[[str], None]


def train_in_process(folder: RunFolder, host: Host) -> BaseProcess:
    process = server.Process(target=host, args=(str(folder.path),))
    process.start()
    return process


def create(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def digest(folder: RunFolder) -> str:
    """Return the SHA-256 of the weights in the last checkpoint."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(checkpoint.load(folder.checkpoints / "last.safetensors")["model"].items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode() + tensor.numpy().tobytes())
    return hashed.hexdigest()


def rows(run: Follower) -> dict[str, list[float | None]]:
    """Return all columns that do not depend on the clock, with NaN as None, so that equal values compare equal."""
    curves = {"train": run.train, **run.evaluations}
    table = {f"{curve} step": list(map(float, columns.step)) for curve, columns in curves.items()}
    for curve, columns in curves.items():
        table |= {f"{curve} {name}": list(columns[name]) for name in columns.columns if name not in ("time", "seconds")}
    table |= {f"layer {number}": list(column) for number, column in enumerate(run.layers)}
    return {name: [None if value != value else value for value in column] for name, column in table.items()}


def result(run: Follower) -> tuple[object, ...]:
    state = run.state
    return state.status, state.epoch, state.step, state.train, state.validation, state.test, state.best


def assert_same(left: Follower, right: Follower) -> None:
    assert rows(left) == rows(right)
    assert result(left) == result(right)
    assert digest(left.folder) == digest(right.folder)
    assert drops(left) == drops(right)


def drops(run: Follower) -> list[tuple[int, float | None]]:
    return [(event.step, event.value) for event in run.events if event.name == "drop"]


def kill(folder: RunFolder, host: Host, step: int, wait: float | None) -> bool:
    """Train until a row beyond `step` is written and kill the process `wait` seconds later, or if None while it saves a
    checkpoint. Return whether it was saving."""
    process, follower = train_in_process(folder, host), Follower(folder)
    draft = folder.checkpoints / ".last.safetensors.tmp"

    def is_there() -> bool:
        follower.poll()
        assert process.is_alive(), folder.log_file.read_text()
        return len(follower.train) > 0 and follower.train.step[-1] > step

    until(is_there)
    if wait is None:
        until(lambda: draft.exists() or not process.is_alive())
    else:
        time.sleep(wait)
    process.kill()
    process.join()
    assert process.exitcode == -9
    assert shown_status(folder.state()) == "interrupted"
    return draft.exists()


@pytest.mark.parametrize("host", [in_main_thread, in_a_thread])
def test_runs_killed_at_random_moments(quick: Quick, read: Read, tmp_path: Path, host: Host) -> None:
    """Two kills per recipe, one of them while a checkpoint is saved."""
    moments, kills_while_saving, resumed_at = random.Random(host.__name__), 0, []
    for recipe in RECIPES.values():
        config = quick(*LONG, *recipe)
        uncut = create(config, tmp_path)
        assert resume_run(uncut, lambda *_: None, Inbox(uncut)).status == "finished"
        steps, per_epoch = uncut.state().steps, uncut.state().steps_per_epoch
        for wait in (moments.uniform(0, 0.01), None):
            cut = create(config, tmp_path)
            kills_while_saving += kill(cut, host, moments.randrange(steps * 3 // 4), wait)
            last = train_in_process(cut, host)
            last.join(PATIENCE)
            assert last.exitcode == 0
            assert_same(read(cut), read(uncut))
            resumed_at += [event.step % per_epoch for event in read(cut).events if event.name == "continued"]
    assert len(resumed_at) == 2 * len(RECIPES)
    assert any(resumed_at)
    assert kills_while_saving


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


# The validation loss rises, so the plateau schedule drops the learning rate.
FALLING = ("optimizer.name=sgd", "optimizer.lr=0.5", "optimizer.momentum=0.99", "schedule.name=plateau",
           "schedule.patience=0")  # fmt: skip


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
    config = quick(*FALLING, "data.batch_size=128", "training.epochs=3", "evaluation.test_every=1", "model.dropout=0.1")
    uncut = create(config, tmp_path)
    whole = EvaluationInbox(uncut, 0, "stop")
    resume_run(uncut, lambda *_: None, whole)
    # Two during preparation, validation and test after each epoch, and the test of the best weights at the end.
    assert whole.polls == 2 + 7
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
            send(cut, "pause")
            send(cut, name)

    state = resume_run(cut, prepare, inbox)
    assert (state.status, state.step, state.phase) == (status, 0, "paused" if status == "queued" else "")
    assert reports[-1][0] == "building the model"
    assert [event.name for event in read(cut).events] == [{"stop": "stopped", "detach": "detached"}[name]]
    assert resume_run(cut, lambda *_: None, poll_inbox(cut, 2, "resume")).status == "finished"
    assert_same(read(cut), read(uncut))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_runs_killed_before_and_after_a_checkpoint(
    quick: Quick, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, which: int
) -> None:
    """Also with a state file that is far behind the checkpoint."""
    config = quick(*FALLING, "data.batch_size=128", "training.epochs=2", "training.checkpoint_every=1e-9")
    uncut, cut = create(config, tmp_path), create(config, tmp_path)
    resume_run(uncut, lambda *_: None, Inbox(uncut))
    save, calls = checkpoint.save, 0
    # The first checkpoint, one in mid-epoch, and three at the end of each epoch of eleven steps: after the last step,
    # after validation, and after the commands.
    fatal = (1, 6, 12, 13, 14, 25, 26, 27)[which]

    def save_and_die(path: Path, state: checkpoint.State) -> None:
        nonlocal calls
        calls += path.name == "last.safetensors"
        if calls == fatal and moment == "before":
            raise Killed
        save(path, state)
        if calls == fatal:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop_module, "POLL_INTERVAL", 0.0)
        patch.setattr(writer_module, "INTERVAL", 1e9)
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            resume_run(cut, lambda *_: None, Inbox(cut))
    assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
    assert drops(read(uncut))
    assert_same(read(cut), read(uncut))
