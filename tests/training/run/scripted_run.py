"""Train a run that receives given commands at given steps."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import Command, CommandName, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.training.run import train_run
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]

Read = Callable[[RunFolder], Follower]

Commands = dict[int, list[Command]]

STEPS = 21


class Scripted(Inbox):
    """An inbox with a command list for each poll, counted from 1: one poll per step, and one at the end of an epoch."""

    def __init__(self, folder: RunFolder, commands: Commands) -> None:
        super().__init__(folder)
        self.polls = 0
        self.commands = commands

    def new(self) -> list[Command]:
        self.polls += 1
        return super().new() + self.commands.pop(self.polls, [])


def command(name: CommandName, value: float | None = None) -> Command:
    return Command(name, 0.0, value, "test")


def create(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def train(
    folder: RunFolder, commands: Commands | None = None, change: Callable[[Setup], None] | None = None,
    epochs: int | None = None, schedule: Extension = "stretch",
) -> tuple[Setup, State]:  # fmt: skip
    """Train with a new setup, as another process would; `commands` maps polls to commands."""
    setups = []

    def build() -> Setup:
        setup = prepare(folder.config(), lambda *_: None, before=folder.info())
        if change:
            change(setup)
        setups.append(setup)
        return setup

    state = train_run(folder, build, Scripted(folder, commands or {}), epochs, schedule=schedule)
    return setups[0], state


def weights(setup: Setup) -> list[Tensor]:
    return list(setup.model.state_dict().values())


def rows(run: Follower) -> dict[str, list[float]]:
    """Return all columns that do not depend on the clock."""
    table = {f"layer {index}": column.tolist() for index, column in enumerate(run.layers)}
    for name, curve in (("train", run.train), *run.evaluations.items()):
        table[f"{name} step"] = list(map(float, curve.step))
        table |= {f"{name} {key}": column.tolist() for key, column in curve.columns.items() if "ime" not in key}
        del table[f"{name} seconds"]
    return table


def train_until_killed(
    folder: RunFolder, step: int, epochs: int | None = None, schedule: Extension = "stretch"
) -> None:
    """Train until the mini-batch of this step, counted from 1, kills the process: without an ending of the run."""
    batches = 0

    def kill(images: Tensor) -> Tensor:
        nonlocal batches
        batches += 1
        if batches == step:
            raise KeyboardInterrupt
        return images

    with pytest.raises(KeyboardInterrupt):
        train(folder, None, lambda setup: setattr(setup, "transforms", (kill, setup.normalize)), epochs, schedule)
