"""The list of a folder's runs, kept up to date with little reading."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from time import monotonic, time_ns

from tuitrain.errors import RunError
from tuitrain.runs.catalog.cache import SETTLED, Kept
from tuitrain.runs.catalog.listing import Entry, all_folders, entry
from tuitrain.runs.folder import RunFolder, Stamp, shown_status

# How many runs that have ended are looked at again in one `refresh` that has a limit.
SLICE = 500


class RunIndex:
    """`refresh` reads only the runs whose small files changed since the last time."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._kept = Kept(runs_dir)
        self._fresh = 0
        self._folders: dict[str, RunFolder] = {}
        self._visited: dict[Path, tuple[int, int]] = {}
        self._known: dict[str, tuple[Stamp, Entry]] = {}
        self._next = 0

    @property
    def unread(self) -> int:
        """How many runs there are of which nothing is known yet."""
        return len(self._folders) - len(self._known)

    def refresh(self, seconds: float = inf, *, everything: bool = False) -> list[Entry]:
        """Newest first. Raises RunError where the folder itself cannot be read.

        With a limit, reading new runs stops after one, or about so many seconds, see `unread`; and unless `everything`
        is asked for, of the runs that have ended only some are looked at in each call, all in turn.
        """
        self._list()
        deadline = monotonic() + seconds
        read = 0
        for name in self._due(everything=everything or seconds == inf):
            if name in self._known:
                # What was not read to its end has no stamp, and waits while there is no time.
                if self._known[name][0] or monotonic() < deadline:
                    self._look(self._folders[name], seconds)
            elif not read or monotonic() < deadline:
                self._look(self._folders[name], seconds)
                read += 1
        if self._fresh and not self.unread:
            self._kept.keep(self._known.values())
            self._fresh = 0
        return [self._known[name][1] for name in self._folders if name in self._known]

    def _list(self) -> None:
        """A folder with an old date holds what it held before: thousands of names need not be read again."""
        old = time_ns() - SETTLED
        if self._visited and all(stamp[0] < old and _dated(path) == stamp for path, stamp in self._visited.items()):
            return
        self._visited = {}
        visited: list[Path] = []
        try:
            found = all_folders(self.runs_dir, visited)
        except RunError:
            self._folders, self._known = {}, {}
            raise
        stamps = {path: _dated(path) for path in visited}
        self._folders = {folder.id: self._folders.get(folder.id, folder) for folder in found}
        self._known = {name: known for name, known in self._known.items() if name in self._folders}
        self._visited = stamps

    def _due(self, *, everything: bool) -> Iterator[str]:
        names = list(self._folders)
        if everything:
            yield from names
            return
        ended = []
        for name in names:
            if name not in self._known:
                continue
            if self._known[name][1].status in ("queued", "running", "paused"):
                yield name
            else:
                ended.append(name)
        yield from (unread := [name for name in names if name not in self._known])
        if unread:
            return
        start = self._next if self._next < len(ended) else 0
        self._next = start + SLICE
        yield from ended[start : self._next]

    def _look(self, folder: RunFolder, seconds: float) -> None:
        stamp = folder.stamp()
        before = self._known.get(folder.id)
        one = before[1] if before and before[0] == stamp else self._kept.entry(folder, stamp)
        if one is None:
            whole = folder.advance(seconds)
            one = entry(folder)
            stamp = stamp if whole else ()
            if whole and not one.state.active:
                folder.forget()
            self._fresh += 1
        self._known[folder.id] = (stamp, _now(one))


def _dated(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return stat.st_mtime_ns, stat.st_ino


def _now(one: Entry) -> Entry:
    """A run whose process has died since changes no file."""
    if one.problem or not one.state.active:
        return one
    status = shown_status(one.state)
    return one if status == one.status else Entry(one.folder, one.info, one.config, one.state, status)
