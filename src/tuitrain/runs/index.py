"""The list of a folder's runs, kept up to date with little reading."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from time import monotonic, time_ns

from tuitrain.errors import RunError
from tuitrain.runs.configs import Configs
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.listing import Entry, entry

Stamp = tuple[tuple[int, int], ...]
# Nanoseconds within which a folder may change twice and look as if it had once.
SETTLED = 5 * 10**9
# How many runs that have ended are looked at again in one `refresh` that has a limit.
SLICE = 500


class RunIndex:
    """`refresh` reads only the runs whose small files changed since the last time."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._configs = Configs(runs_dir)
        self._folders: dict[str, RunFolder] = {}
        self._listed = (0, 0)
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
                self._look(self._folders[name])
            elif not read or monotonic() < deadline:
                self._look(self._folders[name])
                read += 1
        if not self.unread:
            self._configs.keep()
        return [self._known[name][1] for name in self._folders if name in self._known]

    def _list(self) -> None:
        """A folder with an old date holds what it held before: thousands of names need not be read again."""
        try:
            stat = self.runs_dir.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            stamp = (0, 0)
        if stamp == self._listed and stamp[0] and time_ns() - stamp[0] > SETTLED:
            return
        self._listed = (0, 0)
        try:
            self._folders = {found.id: self._folders.get(found.id, found) for found in folders(self.runs_dir)}
        except RunError:
            self._folders, self._known = {}, {}
            raise
        self._known = {name: known for name, known in self._known.items() if name in self._folders}
        self._listed = stamp

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

    def _look(self, folder: RunFolder) -> None:
        stamp = _stamp(folder)
        before = self._known.get(folder.id)
        fresh = before[1] if before and before[0] == stamp else entry(folder, self._configs.read)
        self._known[folder.id] = (stamp, _now(fresh))


def _stamp(folder: RunFolder) -> Stamp:
    stamps = []
    for path in (folder.state_file, folder.info_file, folder.config_file):
        try:
            stat = path.stat()
            stamps.append((stat.st_mtime_ns, stat.st_ino))
        except OSError:
            stamps.append((0, 0))
    return tuple(stamps)


def _now(one: Entry) -> Entry:
    """A run whose process has died since changes no file."""
    if one.problem or not one.state.active:
        return one
    status = shown_status(one.state)
    return one if status == one.status else Entry(one.folder, one.info, one.config, one.state, status)
