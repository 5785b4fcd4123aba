"""Train as one rank of a run, from joining the others to the outcome."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import available_cores
from tuitrain.runs.records import Status
from tuitrain.runs.writer import RunWriter
from tuitrain.training.control import preparation_progress
from tuitrain.training.device import choose_device, configure_torch
from tuitrain.training.distributed.agent import COMMANDS
from tuitrain.training.distributed.follower import Follower, SilentWriter
from tuitrain.training.distributed.group import Group, join_group, leave_group
from tuitrain.training.distributed.leader import Leader
from tuitrain.training.distributed.messages import End, Prepare
from tuitrain.training.distributed.outcome import Outcome
from tuitrain.training.distributed.state import rank_seed
from tuitrain.training.run import ending_of, run_loop
from tuitrain.training.setup import Setup, seed_generators

# Prepares what a rank trains, and obeys the commands in the inbox.
Build = Callable[[Config, RunWriter, Inbox], Setup]
# Seconds between two checks of the other ranks while they prepare.
_INTERVAL = 0.1
# The most CPU threads of a rank, and the most processes that load images for it, as for a single process.
_THREADS, _WORKERS = 4, 8


def train_rank(
    folder: RunFolder, devices: list[str], exchange: Path, build: Build, epochs: int | None, schedule: Extension
) -> Outcome:
    """Train as the rank that the environment variables name, write its outcome to `exchange` and return it. Raises
    LostRankError if another rank is gone. The owner of the run waits meanwhile, and records its end."""
    config = config_of_rank(folder.config(), devices[local_rank()], len(devices))
    device = choose_device(config.training.device)
    configure_torch(config, device)
    group = join_group(device)
    if group.rank == 0:
        outcome = lead(group, folder, config, Inbox(folder, 0, exchange / COMMANDS), build, epochs, schedule)
    else:
        outcome = follow(group, folder, config, build)
    outcome.write(exchange, group.rank)
    if outcome.status != "failed":
        leave_group()
    return outcome


def local_rank() -> int:
    """Return the number of this rank among those of its node."""
    return int(os.environ["LOCAL_RANK"])


def lead(
    group: Group,
    folder: RunFolder,
    config: Config,
    inbox: Inbox,
    build: Build,
    epochs: int | None = None,
    schedule: Extension = "stretch",
) -> Outcome:
    """Train as rank 0. Another process owns the run and records the outcome."""
    with closing(RunWriter(folder, deputy=True)) as writer:

        def prepared() -> Leader:
            # Rank 0 downloads and decodes what is missing before the others begin.
            setup = _prepare(group, build, config, writer, inbox)
            group.tell(Prepare())
            report = preparation_progress(writer, inbox, lambda *_: None)
            while not all(group.marked(_prepared(rank)) for rank in range(1, group.size)):
                report("preparing the other devices", None)
                time.sleep(_INTERVAL)
            return Leader(setup, writer, inbox, epochs, schedule)

        (status, reason), progressed = run_loop(writer, prepared)
    if status != "failed":
        group.tell(End())
    return Outcome(status, reason, progressed)


def follow(group: Group, folder: RunFolder, config: Config, build: Build) -> Outcome:
    """Train as another rank, until rank 0 ends."""
    writer = SilentWriter(folder)

    def train() -> tuple[Status, str]:
        # Rank 0 sends End in place of Prepare if it ends during its preparation.
        if not isinstance(group.hear(), End):
            _wait_for_first_of_node(group)
            setup = _prepare(group, build, config, writer, Inbox(folder))
            group.mark(_prepared(group.rank))
            follower = Follower(setup, group, folder)
            follower.restore()
            follower.follow()
        return "finished", ""

    ending = ending_of(writer, train, lambda: None)
    assert ending is not None
    return Outcome(*ending)


def _wait_for_first_of_node(group: Group) -> None:
    """Wait until the first rank of this node has prepared, which may decode all images into the node's cache."""
    first = group.first_of_node
    # Rank 0 has prepared before the others begin.
    while first not in (0, group.rank) and not group.marked(_prepared(first)):
        time.sleep(_INTERVAL)


def _prepared(rank: int) -> str:
    return f"prepared-{rank}"


def _prepare(group: Group, build: Build, config: Config, writer: RunWriter, inbox: Inbox) -> Setup:
    setup = build(config, writer, inbox)
    check_norms(setup)
    setup.group = group
    if group.rank:
        # The ranks have built equal networks. From here on, each draws its own random numbers.
        seed_generators(rank_seed(config.training.seed, group.rank))
    return setup


def check_norms(setup: Setup) -> None:
    """Raise ConfigError if autograd's threads would recompute batch normalization, where `SynchronizedNorms` has no
    effect."""
    if setup.config.training.checkpointing and setup.has_batch_norm:
        raise ConfigError(
            "training.checkpointing = true does not work with batch normalization on several devices.",
            "Set training.checkpointing to false, or train on one device.",
            key="training.checkpointing",
        )


def config_of_rank(config: Config, device: str, ranks: int) -> Config:
    """Return the configuration of one of the `ranks` on this machine, which share its cores."""
    cores = max(1, available_cores() // ranks)
    threads = config.training.threads or min(_THREADS, cores)
    workers = min(_WORKERS, cores) if config.data.workers is None and device != "cpu" else config.data.workers
    return replace(
        config,
        data=replace(config.data, workers=workers),
        training=replace(config.training, device=device, threads=threads),
    )
