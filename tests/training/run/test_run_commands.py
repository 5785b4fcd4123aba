"""A run obeys commands."""

from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from training.run.scripted_run import STEPS, Quick, Read, command, create, rows, train, weights
from tuitrain.runs.control import Command, CommandName
from tuitrain.runs.follower import Follower
from tuitrain.runs.writer import encode_pretty
from tuitrain.training import loop as loop_module
from tuitrain.training.setup import Setup


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop poll commands after every step and every epoch."""
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


def names(run: Follower) -> list[str]:
    return [event.name for event in run.events]


def test_pause_and_resume_change_nothing(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    folder = create(config, tmp_path)
    # Three polls while it is paused.
    setup, state = train(folder, {5: [command("pause")], 8: [command("resume")]})
    assert state.status == "finished"
    assert names(read(folder)) == ["started", "paused", "resumed", "finished"]
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_pause_and_resume_in_the_same_poll(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder, {5: [command("pause"), command("resume")]})
    assert state.status == "finished"
    assert names(read(folder)) == ["started", "paused", "resumed", "finished"]


def test_the_events_of_a_pause_name_who_paused_and_who_resumed(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {5: [command("pause")], 6: [Command("resume", 0.0, None, "another")]})
    assert [(event.name, event.detail) for event in read(folder).events][1:3] == [
        ("paused", "test"),
        ("resumed", "another"),
    ]


def test_commands_around_a_resume_are_applied_in_order(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    commands = {5: [command("pause")], 6: [command("checkpoint"), command("resume"), command("stop")]}
    _, state = train(folder, commands)
    assert (state.status, state.step) == ("stopped", 5)
    assert names(read(folder)) == ["started", "paused", "checkpoint", "resumed", "stopped"]


def test_stop_while_paused(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder, {5: [command("pause")], 7: [command("stop")]})
    assert (state.status, state.step) == ("stopped", 5)
    _, state = train(folder)
    assert (state.status, state.step) == ("finished", STEPS)


def test_a_detached_run_is_queued_for_another_process(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    folder = create(config, tmp_path)
    _, state = train(folder, {9: [command("detach")]})
    assert (state.status, state.step, state.ended) == ("queued", 9, None)
    setup, state = train(folder)
    assert state.status == "finished"
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_a_changed_learning_rate_survives_a_stop(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=2", "training.log_every=1"), tmp_path)
    train(folder, {5: [command("lr", 0.0005)], 9: [command("stop")]})
    assert folder.state().lr == 0.0005
    # Older versions did not record the learning rate.
    folder.state_file.write_bytes(encode_pretty(msgspec.structs.replace(folder.state(), lr=None)))
    train(folder)
    run = read(folder)
    assert run.train["lr"].tolist() == [0.001] * 5 + [0.0005] * (2 * STEPS - 5)
    assert (run.state.lr, run.config.optimizer.lr) == (0.0005, 0.001)
    assert [line[9:] for line in run.log if "->" in line] == ["learning rate 0.001 -> 0.0005 at step 5, by test"]


def test_the_state_has_a_learning_rate_once_it_was_changed(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {2: [command("lr", 0.001)], 3: [command("stop")]})
    assert folder.state().lr is None
    train(folder, {2: [command("lr", 0.5)], 3: [command("lr", 0.001)], 4: [command("stop")]})
    assert folder.state().lr == 0.001


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 1), ("epochs", 2.5), ("epochs", 1e300), ("epochs", None), ("lr", 0)]
)
def test_invalid_values_are_refused_in_the_log_and_as_an_event(
    quick: Quick, read: Read, tmp_path: Path, name: CommandName, value: float | None
) -> None:
    folder = create(quick("training.epochs=2"), tmp_path)
    _, state = train(folder, {STEPS + 3: [command(name, value)]})
    assert (state.status, state.epochs, state.lr) == ("finished", 2, None)
    run = read(folder)
    (refused,) = (event for event in run.events if event.name == "refused")
    assert (refused.value, refused.detail[-13:]) == (value, "Sent by test.")
    assert [line[9:] for line in run.log if "refused" in line] == [f"refused: {refused.detail}"]


def test_epochs_can_be_lowered_to_the_current_epoch(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=9"), tmp_path)
    _, state = train(folder, {STEPS + 3: [command("epochs", 2)]})
    assert (state.status, state.epoch, state.epochs, state.begun) == ("finished", 2, 2, 2)


def test_the_log_has_the_new_number_of_epochs(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=9"), tmp_path)
    train(folder, {2: [Command("epochs", 0.0, 2, "[b]\x1b[2J")]})
    run = read(folder)
    assert (run.state.epochs, run.state.epoch, run.config.training.epochs) == (2, 2, 9)
    assert [line[9:] for line in run.log if "->" in line] == ["epochs 9 -> 2 at step 2, by [b]\ufffd[2J"]


def test_epochs_above_the_maximum_are_refused(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {2: [command("epochs", 1e9 + 1), command("epochs", 1e300)]})
    run = read(folder)
    assert (names(run).count("refused"), run.state.epochs, run.status) == (2, 1, "finished")


def test_commands_from_the_control_file(quick: Quick, tmp_path: Path) -> None:
    """Commands from before the run are ignored, and so are invalid lines."""
    folder = create(quick("training.epochs=1", "training.log_every=1"), tmp_path)
    folder.control_file.write_bytes(msgspec.json.encode(command("stop")) + b"\n")

    def write(setup: Setup) -> None:
        def once(images: Tensor) -> Tensor:
            lines = [b"{}", b"\xff", b'{"name": "explode", "time": 0}', msgspec.json.encode(command("stop"))]
            with folder.control_file.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
            return images

        setup.transforms = (once, setup.normalize)

    _, state = train(folder, change=write)
    assert (state.status, state.step) == ("stopped", 1)
