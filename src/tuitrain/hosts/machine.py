"""Measure how busy this machine is."""

from typing import NamedTuple


class Load(NamedTuple):
    """`cpu` is the used share of all cores since the previous call, None at the first one; memory is in bytes."""

    cpu: float | None
    cores: int
    memory: int
    total_memory: int


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
