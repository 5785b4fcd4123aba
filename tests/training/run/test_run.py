"""Stop, resume and fail: a run that was interrupted ends exactly like one that was not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.run.scripted_run import STEPS, Quick, Read, command, create, rows, train, train_until_killed, weights
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.setup import Setup


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop poll commands after every step and every epoch."""
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


RECIPES = {
    "sgd": ("optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9"),
    "adam, dropout": ("model.dropout=0.3",),
    "muon, augmented": ("optimizer.name=muon", "optimizer.momentum=0.95", "data.augment=[shift, flip]"),
    "one-cycle": ("schedule.name=one-cycle", "optimizer.lr=0.01", "evaluation.test_every=1"),
    "plateau": ("schedule.name=plateau", "schedule.patience=0", "optimizer.name=sgd", "optimizer.lr=1.5",
                "optimizer.momentum=0.9"),
    "cnn, muon": ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.2", "optimizer.name=muon",
                  "data.batch_size=128"),
    "accumulated": ("data.batch_size=32", "optimizer.accumulate=3", "optimizer.clip_norm=1"),
    "radam, bf16": ("optimizer.name=radam", "training.precision=bf16"),
    "early stopping": ("training.patience=1", "optimizer.lr=0.05", "data.validation=0.3"),
}  # fmt: skip


# With the larger number, a row covers what was trained before and after an interruption.
@pytest.mark.parametrize(
    ("recipe", "log_every"),
    [*((recipe, 4) for recipe in RECIPES), ("accumulated", 1000), ("early stopping", 1000)],
)
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    quick: Quick, read: Read, tmp_path: Path, recipe: str, log_every: int
) -> None:
    config = quick("training.epochs=3", f"training.log_every={log_every}", *RECIPES[recipe])
    folder = create(config, tmp_path)
    whole, ended = train(folder)
    uncut = read(folder)
    assert ended.status == "finished"

    folder = create(config, tmp_path)
    # In mid-epoch, after an epoch's last step but before validation, at the end of the epoch, in mid-epoch again.
    for poll in (5, whole.steps_per_epoch - 5, 1, 7):
        _, state = train(folder, {poll: [command("stop")]})
        assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    assert state.step == whole.steps_per_epoch + 7
    setup, state = train(folder)
    cut = read(folder)

    assert (state.status, state.reason) == (ended.status, ended.reason)
    assert rows(cut) == rows(uncut)
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))
    assert (state.best, state.test, state.train) == (ended.best, ended.test, ended.train)
    assert [event.name for event in cut.events].count("continued") == 4


def test_state_and_rows_of_a_run_stopped_in_mid_epoch(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=4", "training.log_every=4"), tmp_path)
    _, state = train(folder, {30: [command("stop")]})
    assert (state.status, state.epoch, state.step) == ("stopped", 1, 29)
    run = read(folder)
    assert run.state == state
    assert run.train.step.tolist() == [4, 8, 12, 16, 20, 21, 24, 28]
    assert run.events[-1].name == "stopped"
    # Resuming clears the reason of the stop.
    _, state = train(folder)
    assert (state.status, state.reason, state.epoch, state.step) == ("finished", "", 4, 84)
    assert state.ended is not None


def test_a_killed_run_repeats_the_steps_after_its_checkpoint(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=3", "training.log_every=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    folder = create(config, tmp_path)
    train_until_killed(folder, STEPS + 10)
    assert read(folder).train.step[-1] == STEPS + 9
    setup, state = train(folder)
    assert state.status == "finished"
    again = next(event for event in read(folder).events if event.name == "continued")
    assert again.step == STEPS
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_an_extended_run_is_bit_identical_to_a_longer_run(quick: Quick, read: Read, tmp_path: Path) -> None:
    settings = ("training.log_every=5", "model.dropout=0.2")
    longer, _ = train(uncut := create(quick("training.epochs=4", *settings), tmp_path))
    folder = create(quick("training.epochs=2", *settings), tmp_path)
    train(folder)
    setup, state = train(folder, epochs=4)
    assert (state.status, state.epoch, state.epochs) == ("finished", 4, 4)
    assert rows(read(folder))["train loss"] == rows(read(uncut))["train loss"]
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(longer), strict=True))


def test_checkpoint_every(quick: Quick, tmp_path: Path) -> None:
    """A tiny interval saves a checkpoint after every step, the default one after every epoch of this short run."""
    steps: list[int] = []

    def watch(setup: Setup) -> None:
        def observe(images: Tensor) -> Tensor:
            state = checkpoint.load(folder.checkpoints / "last.safetensors")
            steps.append(state["progress"]["step"])
            return images

        setup.transforms = (observe, setup.normalize)

    folder = create(quick("training.epochs=1", "training.checkpoint_every=1e-9"), tmp_path)
    train(folder, change=watch)
    assert steps == list(range(STEPS))
    steps.clear()
    folder = create(quick("training.epochs=2"), tmp_path)
    train(folder, change=watch)
    assert steps == [0] * STEPS + [STEPS] * STEPS


def test_the_checkpoint_command(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    saved: list[int] = []

    def observe(images: Tensor) -> Tensor:
        saved.append(checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"])
        return images

    train(
        folder,
        {6: [command("checkpoint")]},
        change=lambda setup: setattr(setup, "transforms", (observe, setup.normalize)),
    )
    assert saved == [0] * 6 + [6] * (STEPS - 6)
    assert [(event.name, event.step) for event in read(folder).events][1] == ("checkpoint", 6)
