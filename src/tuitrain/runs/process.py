"""Identify a process, find out whether it still exists, and count its CPU cores."""

import os
import platform
import time
from functools import cache
from pathlib import Path

from msgspec import Struct

# Only the heartbeat of a process on another machine or in another container is visible. Without one within this many
# seconds of our time, the process counts as gone.
SILENCE = 300.0


class Process(Struct, frozen=True):
    """`boot` and `born` distinguish a process from a later one with the same pid, also after a reboot. `space` is the
    pid namespace, such as that of a container; empty if the system has none."""

    host: str
    boot: str
    pid: int
    born: float
    space: str = ""


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


@cache
def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        return ""


def _born(pid: int) -> float | None:
    """Return the start time of a process in a system-dependent unit; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, IndexError, ValueError):
        return None
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def this_process() -> Process:
    return Process(platform.node(), _boot(), os.getpid(), _born(os.getpid()) or 0.0, _space())


def alive(process: Process | None, *heartbeats: float) -> bool:
    """Return whether the process exists or, on another machine or in another container, whether one of its heartbeats
    is recent."""
    if process is None:
        return False
    if process.host == platform.node() and process.boot != _boot():
        return False
    if is_local(process):
        return _born(process.pid) == process.born
    # Clocks differ, but a time far in the future means as little as one long ago.
    now = time.time()
    return any(abs(now - heartbeat) < SILENCE for heartbeat in heartbeats)


def is_local(process: Process) -> bool:
    """Return whether the pid is one of this machine. In a container with the same host name, it means nothing here."""
    return process.host == platform.node() and process.space == _space()


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
