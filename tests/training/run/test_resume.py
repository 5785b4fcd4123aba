"""Runs that are killed, stopped or detached at any moment are bit-identical to uninterrupted ones."""

import random
import time
from collections.abc import Callable
from itertools import cycle
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from conftest import QUICK
from forked import server
from training.run.resumed_runs import FALLING, LONG, PATIENCE, RECIPES, Quick, Read, assert_same, create, drops, until
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import resume_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs import writer as writer_module
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module


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


def kill(folder: RunFolder, host: Host, step: int, wait: float | None) -> bool:
    """Train until a row beyond `step` is written and kill the process `wait` seconds later, or if None while it saves a
    checkpoint. Return whether it was saving."""
    process, follower = train_in_process(folder, host), Follower(folder)

    def is_saving() -> bool:
        return any(folder.checkpoints.glob(".last.safetensors.*"))

    def is_there() -> bool:
        follower.poll()
        assert process.is_alive(), folder.log_file.read_text()
        return len(follower.train) > 0 and follower.train.step[-1] > step

    until(is_there)
    if wait is None:
        until(lambda: is_saving() or not process.is_alive(), pause=0.0002)
    else:
        time.sleep(wait)
    process.kill()
    process.join()
    assert process.exitcode == -9
    assert shown_status(folder.state()) == "interrupted"
    return is_saving()


@pytest.mark.parametrize("half", [0, 1])
def test_runs_killed_at_random_moments(quick: Quick, read: Read, tmp_path: Path, half: int) -> None:
    """One kill per recipe, some of them while a checkpoint is saved, some in the main thread and some in another."""
    moments, kills_while_saving, resumed_at = random.Random(half), 0, []
    kinds = cycle([(in_main_thread, True), (in_a_thread, False), (in_main_thread, False), (in_a_thread, True)])
    recipes = list(RECIPES.values())[half::2]
    for recipe, (host, saving) in zip(recipes, kinds, strict=False):
        config = quick(*LONG, *recipe)
        cut, uncut = create(config, tmp_path), create(override(config, ["training.checkpoint_every=30"]), tmp_path)
        assert resume_run(uncut, lambda *_: None, Inbox(uncut)).status == "finished"
        steps, per_epoch = uncut.state().steps, uncut.state().steps_per_epoch
        wait = None if saving else moments.uniform(0, 0.01)
        kills_while_saving += kill(cut, host, moments.randrange(steps // 2), wait)
        last = train_in_process(cut, host)
        last.join(PATIENCE)
        assert last.exitcode == 0
        assert_same(read(cut), read(uncut))
        resumed_at += [event.step % per_epoch for event in read(cut).events if event.name == "continued"]
    assert len(resumed_at) == len(recipes)
    assert any(resumed_at)
    assert kills_while_saving


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run with a checkpoint after each step."""
    settings = (*QUICK, *FALLING, "data.batch_size=128", "training.epochs=2", "training.checkpoint_every=1e-9")
    folder = create(override(Config(), settings), tmp_path_factory.mktemp("uncut"))
    resume_run(folder, lambda *_: None, Inbox(folder))
    return folder


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_runs_killed_before_and_after_a_checkpoint(
    uncut: RunFolder, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, which: int
) -> None:
    """Also with a state file that is far behind the checkpoint."""
    cut = create(uncut.config(), tmp_path)
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
