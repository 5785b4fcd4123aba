"""Measure how busy this machine is, and how full its disk."""

import shutil
from pathlib import Path
from typing import NamedTuple


class Load(NamedTuple):
    """`cpu` is the used share of all cores since the previous call, None at the first one; memory is in bytes."""

    cpu: float | None
    cores: int
    memory: int
    total_memory: int


class Disk(NamedTuple):
    """The disk of a folder, in bytes. `free` is what this user may still write."""

    folder: Path
    free: int
    total: int


class Machine:
    """Measures the load of all processes of the machine."""

    def __init__(self) -> None:
        self._measured = False

    def load(self) -> Load:
        import psutil  # As slow to import as the whole home screen, and not needed for its first frame.

        percent = psutil.cpu_percent(interval=None)
        memory = psutil.virtual_memory()
        cpu = percent / 100 if self._measured else None
        self._measured = True
        return Load(cpu, psutil.cpu_count() or 1, memory.total - memory.available, memory.total)


def disk(folder: Path) -> Disk | None:
    """Return the disk of `folder`, or of the nearest folder above it that exists; None if it cannot be read."""
    folder = folder.absolute()
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        usage = shutil.disk_usage(existing)
    except OSError:
        return None
    return Disk(folder, usage.free, usage.total)
