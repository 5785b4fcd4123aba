"""Train runs on several ranks without a launcher, one run after the other, so that one group trains all runs of a test
module."""

import os
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import torch

from tuitrain.config.schema import Config
from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter
from tuitrain.training.distributed.group import Group, join_group, leave_group
from tuitrain.training.distributed.outcome import Outcome
from tuitrain.training.distributed.rank import config_of_rank, follow, lead
from tuitrain.training.run import end_run
from tuitrain.training.setup import Setup, prepare

# Commands by poll, for runs with these names. A run `cut` is resumed at once.
SCRIPTS = {
    "commanded": {1: Command("lr", 0.0, 0.002)},
    "cut": {2: Command("stop", 0.0)},
    "shrunk": {2: Command("stop", 0.0)},
}


class Script(Inbox):
    """Sends the commands of `SCRIPTS` for the name of the run at its polls, counted from 1."""

    _polls = 0

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._commands = SCRIPTS.get(folder.name(), {}) if not folder.state().step else {}

    def new(self) -> list[Command]:
        self._polls += 1
        return [self._commands[self._polls]] if self._polls in self._commands else []


def train(group: Group, folder: RunFolder) -> Outcome:
    """Train a run, and write the hash of this rank's weights beside it."""
    config = config_of_rank(folder.config(), "cpu", group.size)
    setups: list[Setup] = []

    def build(config: Config, _: RunWriter, __: Inbox) -> Setup:
        setups.append(prepare(config, lambda *_: None))
        return setups[0]

    if group.rank:
        outcome = follow(group, folder, config, build)
    else:
        with closing(RunWriter(folder)) as writer:
            writer.update(status="queued", now=True)
            outcome = lead(group, folder, config, Script(folder), build)
            writer.reload()
            end_run(writer, (outcome.status, outcome.reason), progressed=outcome.progressed)
    weights = b"".join(weight.detach().numpy().tobytes() for weight in setups[0].model.parameters())
    (folder.path / f"weights-of-rank-{group.rank}").write_text(sha256(weights).hexdigest())
    return outcome


def train_runs(rank: int, ranks: int, port: int, runs: list[RunFolder], log: Path) -> None:
    """Train as one of the `ranks`, in a process of its own, with the environment variables of torchrun."""
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "RANK": str(rank)}
    group = join_group(torch.device("cpu"))
    for folder in [again for run in runs for again in [run] * (1 + (run.name() == "cut"))]:
        outcome = train(group, folder)
        print(folder.name(), outcome, flush=True)  # noqa: T201
        if outcome.status == "failed":
            os._exit(1)
    leave_group()
