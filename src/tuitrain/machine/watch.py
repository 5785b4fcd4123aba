"""Read the GPUs in the background while somebody looks at them."""

import threading
from collections.abc import Callable, Mapping
from math import inf
from time import monotonic

from tuitrain.machine.gpus import GpuReader, Gpus

# Seconds between two readings, and between two attempts where there is no GPU.
INTERVAL, RETRY = 1.0, 30.0


class GpuWatch:
    """Reads the GPUs in a thread, because a failing GPU may let the driver wait for seconds. It reads only when asked,
    and at most once in `INTERVAL` seconds."""

    def __init__(self, reader: GpuReader | None = None) -> None:
        # None before the first reading.
        self.latest: Gpus | None = None
        self._reader = reader or GpuReader()
        self._began = -inf
        self._thread: threading.Thread | None = None

    def look(self, runs: Callable[[], Mapping[int, str]] = dict) -> Gpus | None:
        """Return the latest reading, and begin another one if it is due. `runs` returns the names of the active runs
        by process id."""
        pause = RETRY if self.latest is not None and not self.latest.devices else INTERVAL
        reading = self._thread is not None and self._thread.is_alive()
        if not reading and monotonic() - self._began >= pause:
            self._began = monotonic()
            self._thread = threading.Thread(target=self._read, args=(runs(),), name="gpus", daemon=True)
            self._thread.start()
        return self.latest

    def _read(self, runs: Mapping[int, str]) -> None:
        self.latest = self._reader.read(runs)
