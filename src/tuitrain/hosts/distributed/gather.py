"""Wait on the leading node of a run until the other nodes have joined."""

import shlex
import time
from collections.abc import Callable
from math import ceil

from tuitrain.config.schedule import Extension
from tuitrain.errors import TrainingError
from tuitrain.hosts.slurm.step import in_job_of, join_from_other_nodes
from tuitrain.runs.control import Inbox
from tuitrain.runs.process import this_process
from tuitrain.runs.writer import RunWriter
from tuitrain.text import counted, plain
from tuitrain.training.control import preparation_progress
from tuitrain.training.distributed.leading_node import LeadingNode
from tuitrain.training.distributed.node_store import Announcement, versions

# Seconds that the other nodes have to join, and between two looks at who has.
WAIT, INTERVAL = 3600.0, 0.2


def lead_nodes(writer: RunWriter, nodes: int, ranks: int, epochs: int | None, schedule: Extension) -> LeadingNode:
    """Return the store that the other nodes join, each with this number of ranks."""
    announcement = Announcement(
        run=writer.folder.id, owner=this_process(), nodes=nodes, ranks=ranks, versions=versions(), epochs=epochs,
        schedule=schedule,
    )  # fmt: skip
    return LeadingNode(announcement)


def gather(node: LeadingNode, writer: RunWriter, inbox: Inbox, allowed_key: str) -> None:
    """Wait until the other nodes have joined, and start their ranks; in a Slurm job of as many nodes, let them join.
    Raise Stopped or Detached on such a command, and TrainingError if a node does not join in time."""
    hint, can_join = _invite(node, writer, allowed_key)
    report = preparation_progress(writer, inbox, lambda *_: None)
    deadline = time.monotonic() + WAIT
    known: dict[int, str] = {}
    while len(joined := node.joined()) < node.wanted:
        if time.monotonic() > deadline:
            raise TrainingError(
                f"Only {len(joined)} of {counted(node.wanted, 'node')} joined within {ceil(WAIT / 60)} minutes.",
                "Resume the run when the machines are free.",
            )
        if not can_join():
            raise TrainingError("srun ended before the other nodes had joined.", "The run's log may say why.")
        _log_changes(writer, known, joined)
        known = joined
        report(f"waiting for {node.wanted - len(joined)} of {counted(node.wanted + 1, 'node')}{hint}", None)
        time.sleep(INTERVAL)
    _log_changes(writer, known, joined)
    node.start(list(joined))


def _invite(node: LeadingNode, writer: RunWriter, allowed_key: str) -> tuple[str, Callable[[], bool]]:
    """Let the other nodes of a Slurm job join, or log the command to run on them. Return it in short form for the
    screen, and a function that says whether nodes may still join."""
    folder = writer.folder
    if in_job_of(node.wanted + 1):
        writer.log(f"waits for {counted(node.wanted, 'node')} of the Slurm job")
        return "", join_from_other_nodes(folder, node.wanted + 1, node.endpoint, allowed_key)
    command = f"tuitrain join {shlex.quote(str(folder.path.absolute()))} --at {node.endpoint}"
    writer.log(f"waits for {counted(node.wanted, 'node')}. Run on each: {plain(command, 1000)}")
    # The last digits of the id suffice in the runs folder.
    short = f": tuitrain join {plain(folder.id.rpartition('-')[2])} --at {node.endpoint}"
    return short, lambda: True


def _log_changes(writer: RunWriter, known: dict[int, str], joined: dict[int, str]) -> None:
    for ticket in joined.keys() - known.keys():
        writer.log(f"node {joined[ticket]} has joined")
    for ticket in known.keys() - joined.keys():
        writer.log(f"node {known[ticket]} has left")
