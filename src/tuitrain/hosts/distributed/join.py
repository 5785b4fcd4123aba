"""Train a part of a run that another machine, its leading node, has started."""

import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from tuitrain.config.device_list import KEY
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, RunError, TrainingError
from tuitrain.files import open_to_read
from tuitrain.hosts.distributed.lead import rank_command
from tuitrain.hosts.subprocesses import LONGEST_LINE, start_background_process
from tuitrain.machine import gpu_lock
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain
from tuitrain.training.distributed.agent import LocalRanks
from tuitrain.training.distributed.joined_node import Membership
from tuitrain.training.distributed.launch import choose_devices
from tuitrain.training.distributed.node_store import Announcement, versions
from tuitrain.training.distributed.outcome import NodeResult, Outcome

# Seconds until the run folder must say which process leads the run: network file systems show changes late.
_VISIBLE = 60.0
# Seconds between two looks at the leading node.
_INTERVAL = 0.1
# Seconds to wait for the end of the run after that of this node.
_GOODBYE = 30.0
SHARED = "All machines must see the same runs folder, on a file system that they share."


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and port of HOST:PORT. Raise ConfigError."""
    found = re.fullmatch(r"([A-Za-z0-9._:-]{1,255}):([1-9][0-9]{0,4})", text)
    if not found or int(found[2]) > 65535:
        raise ConfigError(
            f"--at {plain(text, 80)} is not HOST:PORT.", "Take it from the log of the run, which waits for this node."
        )
    return found[1], int(found[2])


def join(
    folder: RunFolder, address: str, allowed_key: str, report: Callable[[str], None], left: Callable[[], bool]
) -> Outcome:
    """Join the leading node of the run at HOST:PORT, train the part of this machine, and return how the run ended.
    Leave the run if `left`, which makes it fail. Raise TuitrainError if this machine cannot join, or if the leading
    node is lost."""
    node = Membership(*parse_address(address))
    _check(folder, node.announcement)
    try:
        devices = _devices(folder.config(), node.announcement)
        node.register()
        report(f"{_joined(folder)}{', '.join(devices)}")
        while node.started is None and not (left() or node.is_over):
            time.sleep(_INTERVAL)
        result = _train(folder, node, devices, allowed_key, left)
    finally:
        gpu_lock.release()
    node.report(NodeResult(problem="Its process was asked to stop.") if left() else result)
    deadline = time.monotonic() + _GOODBYE
    while not node.is_over and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    if node.outcome is None:
        raise TrainingError("The leading node is gone, so this node has ended, too.", "Resume the run.")
    return node.outcome


def join_in_background(folder: RunFolder, address: str, allowed_key: str) -> Path:
    """Join the run like `join` in a background process; return the file of its output when it has joined. Raise
    RunError if it cannot join."""
    log_file = folder.path / f"node-{quote(platform.node(), safe='')}.txt"
    arguments = ["join", str(folder.path.absolute()), "--at", address, "--allowed", allowed_key]
    before = log_file.stat().st_size if log_file.is_file() else 0

    def has_joined(_: int) -> bool:
        with suppress(OSError), open_to_read(log_file) as log:
            log.seek(before)
            return _joined(folder).encode() in log.read(LONGEST_LINE)
        return False

    start_background_process(arguments, log_file, "node", has_joined)
    return log_file


def _joined(folder: RunFolder) -> str:
    return f"joined {plain(folder.id)} with "


def _train(
    folder: RunFolder, node: Membership, devices: list[str], allowed_key: str, left: Callable[[], bool]
) -> NodeResult:
    """Run the ranks of this machine until they end or the run does."""
    if left() or node.is_over:
        return NodeResult()
    if node.rendezvous is None:
        raise RunError("The run has started without this node, because enough others had joined.")
    command = rank_command(folder, node.announcement.epochs, node.announcement.schedule, allowed_key)
    with LocalRanks(command, devices, node.rendezvous) as ranks:
        while ranks.running():
            # The agent may wait for nodes that are gone.
            if (left() or node.is_over) and not ranks.kill():
                break
        return ranks.result()


def _check(folder: RunFolder, announced: Announcement) -> None:
    """Raise RunError unless the leading node trains this run, in this folder and with the versions of this machine."""
    if announced.run != folder.id:
        raise RunError(f"The leading node trains {plain(announced.run, 100)}, not {plain(folder.id)}.")
    if announced.versions != versions():
        raise RunError(
            f"The leading node has {plain(announced.versions, 100)}, and this one {versions()}.",
            "Use the same versions on all machines.",
        )
    deadline = time.monotonic() + _VISIBLE
    while folder.state().process != announced.owner:
        if time.monotonic() > deadline:
            raise RunError(f"{plain(folder.path)} is not the folder that the leading node writes.", SHARED)
        time.sleep(_INTERVAL)


def _devices(config: Config, announced: Announcement) -> list[str]:
    devices = choose_devices(config)
    if len(devices) != announced.ranks:
        raise ConfigError(
            f"This machine would train on {len(devices)} devices, and the leading node on {announced.ranks}.",
            "Set training.devices to a number that all machines have.",
            key=KEY,
        )
    return devices
