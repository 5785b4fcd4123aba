"""The list of a folder's runs, kept up to date with little reading."""

import os
from collections.abc import Iterator
from math import inf
from pathlib import Path
from time import monotonic, time_ns

from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.kept import SETTLED, Kept, Stamp
from tuitrain.runs.listing import Entry, entry

# How many runs that have ended are looked at again in one `refresh` that has a limit.
SLICE = 500


class RunIndex:
    """`refresh` reads only the runs whose small files changed since the last time."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._kept = Kept(runs_dir)
        self._fresh = 0
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
        if self._fresh and not self.unread:
            self._kept.keep(self._known.values())
            self._fresh = 0
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
        one = before[1] if before and before[0] == stamp else self._kept.entry(folder, stamp)
        if one is None:
            one = entry(folder)
            self._fresh += 1
        self._known[folder.id] = (stamp, _now(one))


def _stamp(folder: RunFolder) -> Stamp:
    stamps = []
    path = str(folder.path)
    for name in ("state.json", "run.json", "config.toml"):
        try:
            stat = os.stat(f"{path}/{name}")  # noqa: PTH116
            stamps.append((stat.st_ctime_ns, stat.st_ino, stat.st_size))
        except OSError:
            stamps.append((0, 0, 0))
    return tuple(stamps)


def _now(one: Entry) -> Entry:
    """A run whose process has died since changes no file."""
    if one.problem or not one.state.active:
        return one
    status = shown_status(one.state)
    return one if status == one.status else Entry(one.folder, one.info, one.config, one.state, status)
