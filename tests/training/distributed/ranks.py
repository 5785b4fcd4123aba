"""Train runs on several ranks without a launcher, one run after the other: `python ranks.py FOLDER…`.

Run this once per rank with the environment variables of torchrun. Starting processes that load torch takes longest, so
that one group trains all runs of a test module.
"""

import os
import sys
from functools import partial
from pathlib import Path

import torch

from tuitrain.config.schema import Config
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter
from tuitrain.training.distributed.group import Group, join_group, leave_group
from tuitrain.training.distributed.outcome import Outcome
from tuitrain.training.distributed.rank import config_of_rank, follow, lead
from tuitrain.training.run import end_run
from tuitrain.training.setup import Setup, prepare


def build(config: Config, _: RunWriter, __: Inbox) -> Setup:
    return prepare(config, lambda *_: None)


def train(group: Group, folder: RunFolder) -> Outcome:
    config = config_of_rank(folder.config(), "cpu", group.size)
    if group.rank:
        return follow(group, folder, config, build)
    writer = RunWriter(folder)
    writer.update(status="queued", now=True)
    outcome = lead(group, folder, config, Inbox(folder), build)
    writer.reload()
    end_run(writer, (outcome.status, outcome.reason), progressed=outcome.progressed)
    writer.close()
    return outcome


def main(folders: list[str]) -> None:
    group = join_group(torch.device("cpu"))
    for outcome in map(partial(train, group), map(RunFolder, map(Path, folders))):
        print(outcome, flush=True)  # noqa: T201
        if outcome.status != "finished":
            os._exit(1)
    leave_group()


if __name__ == "__main__":
    main(sys.argv[1:])
