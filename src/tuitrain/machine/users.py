"""Find out who uses a GPU."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.process import is_local
from tuitrain.runs.records import ACTIVE
from tuitrain.text import plain

if TYPE_CHECKING:
    import psutil


class GpuUser(Struct, frozen=True):
    """A process on a GPU. `user` and `command` are empty if it belongs to another container, and `run` is empty if it
    trains no run that is known here. `memory` is in bytes, None if the driver does not tell."""

    pid: int
    user: str = ""
    command: str = ""
    memory: int | None = None
    run: str = ""


def gpu_user(pid: int, memory: int | None, run: str) -> GpuUser:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return GpuUser(pid, plain(process.username(), 40), _command(process), memory, run)
    except psutil.Error:
        return GpuUser(pid, memory=memory, run=run)


def _command(process: "psutil.Process") -> str:
    import psutil

    try:
        return plain(" ".join(process.cmdline()) or process.name(), 200)
    except psutil.Error:
        return plain(process.name(), 200)


def runs_by_process(entries: Iterable[Entry]) -> dict[int, str]:
    """Return the names of the active runs of this machine by process id. Runs that train together share a process."""
    names: dict[int, list[str]] = {}
    for entry in entries:
        owner = entry.state.process
        if entry.status in ACTIVE and owner is not None and is_local(owner):
            names.setdefault(owner.pid, []).append(plain(entry.info.name, 60))
    return {pid: ", ".join(of_pid) for pid, of_pid in names.items()}
