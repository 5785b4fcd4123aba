"""Cache the entries of ended runs: reading thousands of runs, three files each, takes seconds.

A cached entry is valid as long as inode, size and change time of the run's files stay the same.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from time import time_ns

import msgspec
from msgspec import Struct

from tuitrain import __version__
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.files import read
from tuitrain.runs.folder import RunFolder, Stamp
from tuitrain.runs.records import RunInfo, State

# A file may change twice within this many nanoseconds without a new time stamp.
SETTLED = 5 * 10**9
# Write the cache only if at least this many entries, and at least one in this many, are new.
MIN_NEW, MIN_NEW_FRACTION = 5, 50
# A run takes about a kilobyte.
_LARGEST = 2**30


class _Run(Struct, array_like=True):
    stamp: Stamp
    info: RunInfo
    config: Config
    state: State


class _File(Struct):
    """The cache file. Only the version that wrote it reads it, because another version may have other settings."""

    version: str
    runs: dict[str, _Run]


class RunCache:
    """The ended runs of one runs folder, stored in the user's cache folder."""

    def __init__(self, runs_dir: Path) -> None:
        import platformdirs

        name = blake2b(str(runs_dir.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self._file = platformdirs.user_cache_path("tuitrain", appauthor=False) / "runs" / f"{name}.msgpack"
        self._runs: dict[str, _Run] | None = None

    def entry(self, folder: RunFolder, stamp: Stamp) -> Entry | None:
        """Return the cached entry, or None if it is missing or outdated."""
        if self._runs is None:
            self._runs = self._load()
        run = self._runs.get(folder.id)
        if folder.read_only or run is None or run.stamp != stamp:
            return None
        return Entry(folder, run.info, run.config, run.state, run.state.status)

    def save(self, entries: Iterable[tuple[Stamp, Entry]]) -> None:
        """Write the cache; do nothing if few entries are new or the file cannot be written."""
        settled, before = time_ns() - SETTLED, self._runs or {}
        runs = {
            entry.folder.id: _Run(stamp, entry.info, entry.config, entry.state)
            for stamp, entry in entries
            if not (entry.problem or entry.state.active or entry.folder.read_only)
            and stamp
            and max(changed for changed, *_ in stamp) < settled
        }
        new = sum(name not in before or before[name].stamp != run.stamp for name, run in runs.items())
        if new < max(MIN_NEW, len(runs) // MIN_NEW_FRACTION):
            return
        self._runs = runs
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace(self._file, msgspec.msgpack.encode(_File(__version__, runs)))
        except (OSError, ValueError):
            return

    def _load(self) -> dict[str, _Run]:
        try:
            cached = msgspec.msgpack.decode(read(self._file, _LARGEST), type=_File)
        except (RunError, ValueError, RecursionError, msgspec.DecodeError):
            return {}
        return cached.runs if cached.version == __version__ else {}
