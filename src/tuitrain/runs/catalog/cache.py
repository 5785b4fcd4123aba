"""Reading a run takes three files and half a millisecond: of thousands, what was read once is kept.

What is kept of a run is used as long as its files are those that it was read from, by inode, size and time of change.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from time import time_ns

import msgspec
from msgspec import Struct

from tuitrain import __version__
from tuitrain.config.schema import Config
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.files import replace
from tuitrain.runs.folder import RunFolder, Stamp
from tuitrain.runs.records import RunInfo, State

# Nanoseconds within which a file may change twice and look as if it had once.
SETTLED = 5 * 10**9
# Fewer are read in no time, and so is a smaller part of all, which takes no longer than writing them all.
WORTH_KEEPING, PART = 5, 50


class _Run(Struct, array_like=True):
    stamp: Stamp
    info: RunInfo
    config: Config
    state: State


class _File(Struct):
    """Another version may know other settings."""

    version: str
    runs: dict[str, _Run]


class Kept:
    """The runs of one folder that have ended, kept in the user's cache folder between sessions."""

    def __init__(self, runs_dir: Path) -> None:
        import platformdirs

        name = blake2b(str(runs_dir.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self._file = platformdirs.user_cache_path("tuitrain", appauthor=False) / "runs" / f"{name}.msgpack"
        self._runs: dict[str, _Run] | None = None

    def entry(self, folder: RunFolder, stamp: Stamp) -> Entry | None:
        """None where nothing is kept that is true of these files."""
        if self._runs is None:
            self._runs = self._load()
        run = self._runs.get(folder.id)
        if folder.read_only or run is None or run.stamp != stamp:
            return None
        return Entry(folder, run.info, run.config, run.state, run.state.status)

    def keep(self, known: Iterable[tuple[Stamp, Entry]]) -> None:
        """Quietly does nothing where it is not worth it, or the file cannot be written."""
        settled, before = time_ns() - SETTLED, self._runs or {}
        runs = {
            entry.folder.id: _Run(stamp, entry.info, entry.config, entry.state)
            for stamp, entry in known
            if not (entry.problem or entry.state.active or entry.folder.read_only)
            and stamp
            and max(changed for changed, *_ in stamp) < settled
        }
        fresh = sum(name not in before or before[name].stamp != run.stamp for name, run in runs.items())
        if fresh < max(WORTH_KEEPING, len(runs) // PART):
            return
        self._runs = runs
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace(self._file, msgspec.msgpack.encode(_File(__version__, runs)))
        except (OSError, ValueError):
            return

    def _load(self) -> dict[str, _Run]:
        try:
            kept = msgspec.msgpack.decode(self._file.read_bytes(), type=_File)
        except (OSError, ValueError, RecursionError, msgspec.DecodeError):
            return {}
        return kept.runs if kept.version == __version__ else {}
