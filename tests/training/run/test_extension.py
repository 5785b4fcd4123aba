"""A run with more epochs follows the learning rate that the user has chosen, also after a kill."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.run.scripted_run import STEPS, Quick, Read, command, create, rows, train, train_until_killed, weights
from tuitrain.config.schedule import Extension, lr_factor
from tuitrain.config.schema import Schedule
from tuitrain.errors import RunError
from tuitrain.runs.control import Command
from tuitrain.runs.folder import RunFolder
from tuitrain.training import loop as loop_module
from tuitrain.training.setup import Setup

SETTINGS = ("training.epochs=2", "optimizer.lr=0.01", "model.hidden=[8]", "model.dropout=0.2", "training.log_every=1")
CHOICES: tuple[Extension, ...] = ("stretch", "hold", "restart")


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


def rates(read: Read, folder: RunFolder) -> list[float]:
    return list(read(folder).train["lr"])


def expected(name: str, choice: Extension) -> list[float]:
    """Return the learning rates of a run of two epochs that gets two more."""
    schedule, before = Schedule(name=name), 2 * STEPS  # type: ignore[arg-type]
    start, total = {"stretch": (0, 4 * STEPS), "hold": (0, before), "restart": (before, 2 * STEPS)}[choice]
    first = [lr_factor(schedule, step, STEPS, before) for step in range(before)]
    return [0.01 * factor for factor in first] + [
        0.01 * lr_factor(schedule, step - start, STEPS, total) for step in range(before, 4 * STEPS)
    ]


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("exponential", "stretch"), ("one-cycle", "stretch"), ("cosine", "hold"), ("one-cycle", "hold"),
        ("exponential", "restart"),
    ],
)  # fmt: skip
def test_a_killed_extension_equals_a_whole_one(
    quick: Quick, read: Read, tmp_path: Path, name: str, choice: Extension
) -> None:
    config = quick(*SETTINGS, f"schedule.name={name}")
    whole, cut = create(config, tmp_path), create(config, tmp_path)
    train(whole)
    train(cut)
    setup, _ = train(whole, epochs=4, schedule=choice)
    # Killed in the first step of the extension, then within it, then stopped.
    train_until_killed(cut, 1, 4, choice)
    assert len(rates(read, cut)) == 2 * STEPS
    train_until_killed(cut, STEPS + 7)
    train(cut, {5: [command("stop")]})
    resumed, state = train(cut)
    assert (state.status, state.epochs) == ("finished", 4)
    assert rates(read, whole) == pytest.approx(expected(name, choice), rel=1e-12)
    assert rows(read(cut)) == rows(read(whole))
    assert all(torch.equal(left, right) for left, right in zip(weights(resumed), weights(setup), strict=True))


def test_choices_follow_one_another(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick(*SETTINGS, "schedule.name=cosine"), tmp_path)
    train(folder)
    train(folder, epochs=3, schedule="restart")
    train(folder, epochs=4, schedule="hold")
    train(folder, epochs=5, schedule="hold")
    found = rates(read, folder)
    cycle = [0.01 * lr_factor(Schedule(name="cosine"), step, STEPS, STEPS) for step in range(STEPS)]
    assert found[2 * STEPS :] == pytest.approx([*cycle, *[cycle[-1]] * (2 * STEPS)], rel=1e-12)
    train(folder, epochs=6)
    stretched = 0.01 * lr_factor(Schedule(name="cosine"), 3 * STEPS, STEPS, 4 * STEPS)
    assert rates(read, folder)[5 * STEPS] == pytest.approx(stretched, rel=1e-12)


def test_the_log_says_what_the_rate_does(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick(*SETTINGS, "schedule.name=cosine", "schedule.final=0.001"), tmp_path)
    train(folder)
    train(folder, epochs=4)
    events = [event for event in read(folder).events if event.name == "schedule"]
    assert [(event.step, event.detail, event.value) for event in events] == [
        (2 * STEPS, "stretch", rates(read, folder)[2 * STEPS])
    ]
    change = f"| the learning rate goes from 1e-05 to {events[0].value:.3g}, because cosine now spans 4 epochs\n"
    assert change in folder.log_file.read_text()


@pytest.mark.parametrize("name", ["constant", "step", "plateau"])
def test_other_schedules_have_nothing_to_say(quick: Quick, read: Read, tmp_path: Path, name: str) -> None:
    folder = create(quick(*SETTINGS, f"schedule.name={name}", "schedule.every=1", "schedule.warmup=0.5"), tmp_path)
    train(folder)
    train(folder, epochs=3)
    assert "learning rate" not in folder.log_file.read_text()
    assert [event for event in read(folder).events if event.name == "schedule"] == []


def test_epochs_set_during_the_run_can_hold_the_rate(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick(*SETTINGS, "schedule.name=cosine"), tmp_path)
    train(folder, {5: [Command("epochs", 0.0, 3, "test", schedule="hold")]})
    found = rates(read, folder)
    assert found == pytest.approx(expected("cosine", "hold")[: 3 * STEPS], rel=1e-12)
    assert "cosine ends with epoch 2, and the learning rate stays at " in folder.log_file.read_text()


def test_an_extension_that_fails_at_once_changes_nothing(quick: Quick, read: Read, tmp_path: Path) -> None:
    def fail(images: Tensor) -> Tensor:
        raise ValueError(images.shape)

    def failing(setup: Setup) -> None:
        setup.transforms = (fail, setup.normalize)

    config = quick(*SETTINGS, "schedule.name=cosine")
    folder, other = create(config, tmp_path), create(config, tmp_path)
    for run in (folder, other):
        train(run)
    before = folder.state()
    for choice in CHOICES:
        with pytest.raises(RunError, match="ValueError"):
            train(folder, None, failing, 9, choice)
    state = folder.state()
    assert (state.status, state.epochs, state.schedule_start, state.schedule_end) == ("finished", 2, 0, None)
    assert state.steps == before.steps
    train(folder, epochs=4, schedule="hold")
    train(other, epochs=4, schedule="hold")
    assert rows(read(folder)) == rows(read(other))
