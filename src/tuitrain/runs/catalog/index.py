"""Keep the list of all runs in a folder up to date, with as few reads as possible."""

from math import inf
from pathlib import Path
from time import monotonic, time_ns

from tuitrain.errors import RunError
from tuitrain.runs.catalog.cache import SETTLED, RunCache
from tuitrain.runs.catalog.listing import Entry, all_folders, entry
from tuitrain.runs.folder import RunFolder, Stamp, shown_status
from tuitrain.runs.records import ACTIVE

# The number of ended runs that a `refresh` with a time limit checks for changes.
SLICE = 500


class RunIndex:
    """The runs of a folder. `refresh` only reads runs whose files changed since the last call."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._cache = RunCache(runs_dir)
        self._new_entries = 0
        self._folders: dict[str, RunFolder] = {}
        self._visited: dict[Path, tuple[int, int]] = {}
        self._known: dict[str, tuple[Stamp, Entry]] = {}
        self._next_ended = 0

    @property
    def unread(self) -> int:
        """The number of runs that are not read yet."""
        return len(self._folders) - len(self._known)

    def refresh(self, seconds: float = inf, *, everything: bool = False) -> list[Entry]:
        """Return all known runs, newest first. Raises RunError if the folder cannot be read.

        With a limit in `seconds`, read new runs for about that time, but at least one; see `unread`. Unless
        `everything` is set, each call with a limit checks only some of the ended runs for changes, all of them in turn.
        """
        self._list()
        deadline = monotonic() + seconds
        read = 0
        for id in self._due(everything=everything or seconds == inf):
            known = self._known.get(id)
            is_read = bool(known and known[0])
            # Checking a run for changes takes no time, reading one does.
            if is_read or not read or monotonic() < deadline:
                self._read(self._folders[id], seconds)
                read += not is_read
        if self._new_entries and not self.unread:
            self._cache.save(self._known.values())
            self._new_entries = 0
        return [self._known[name][1] for name in self._folders if name in self._known]

    def _list(self) -> None:
        """List the run folders, unless the modification times show that nothing was added or removed."""
        old = time_ns() - SETTLED
        if self._visited and all(stamp[0] < old and _modified(path) == stamp for path, stamp in self._visited.items()):
            return
        self._visited = {}
        visited: list[Path] = []
        try:
            run_folders = all_folders(self.runs_dir, visited)
        except RunError:
            self._folders, self._known = {}, {}
            raise
        stamps = {path: _modified(path) for path in visited}
        before, self._folders = self._folders, {folder.id: folder for folder in run_folders}
        for id, folder in self._folders.items():
            if id in before and before[id].origin == folder.origin:
                self._folders[id] = before[id]
        self._known = {id: known for id, known in self._known.items() if known[1].folder is self._folders.get(id)}
        self._visited = stamps

    def _due(self, *, everything: bool) -> list[str]:
        """Return the ids of the runs to check now: the active ones, then the unread or, if there are none, some of the
        ended ones."""
        if everything:
            return list(self._folders)
        unread = [id for id in self._folders if id not in self._known]
        active = [id for id, (_, known) in self._known.items() if known.status in ACTIVE]
        if unread:
            return active + unread
        ended = [id for id in self._folders if self._known[id][1].status not in ACTIVE]
        start = self._next_ended if self._next_ended < len(ended) else 0
        self._next_ended = start + SLICE
        return active + ended[start : self._next_ended]

    def _read(self, folder: RunFolder, seconds: float) -> None:
        stamp = folder.stamp()
        before = self._known.get(folder.id)
        latest = before[1] if before and before[0] == stamp else self._cache.entry(folder, stamp)
        if latest is None:
            complete = folder.advance(seconds)
            latest = entry(folder)
            stamp = stamp if complete else ()
            if complete and not latest.state.active:
                folder.forget()
            self._new_entries += 1
        self._known[folder.id] = (stamp, _with_current_status(latest))


def _modified(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return stat.st_mtime_ns, stat.st_ino


def _with_current_status(entry: Entry) -> Entry:
    """Update the status: a run whose process has died becomes interrupted without any change to its files."""
    if entry.problem or not entry.state.active:
        return entry
    status = shown_status(entry.state)
    return entry if status == entry.status else Entry(entry.folder, entry.info, entry.config, entry.state, status)
