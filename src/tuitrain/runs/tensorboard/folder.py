"""Folders of event files as read-only runs."""

import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, Stamp, is_run_folder
from tuitrain.runs.process import SILENCE
from tuitrain.runs.records import Evaluation, RunInfo, State
from tuitrain.runs.tensorboard.layout import event_files, part
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.runs.tensorboard.follower import EventFollower

# The maximum depth of runs below the runs folder, and the maximum number of folders to search.
DEEPEST, MOST_FOLDERS = 6, 20_000


class EventFolder(RunFolder):
    """A run that another tool wrote. Its content is read on first use and kept in memory until `forget`."""

    read_only = True

    def __init__(self, path: Path, id: str = "") -> None:
        super().__init__(path)
        self.id = id or path.absolute().name
        self._run: EventFollower | None = None

    def name(self) -> str:
        """Return the last part of the id, which fits into a table column."""
        return plain(self.id.rpartition("/")[2])

    def follow(self, *, brief: bool = False) -> "EventFollower":
        from tuitrain.runs.tensorboard.follower import EventFollower

        return EventFollower(self, brief=brief)

    def advance(self, seconds: float) -> bool:
        """Read event files for about `seconds`; return whether all are read."""
        if self._run is None:
            self._run = self.follow(brief=True)
        deadline = monotonic() + seconds
        while self._run.poll(min(1.0, max(0.0, deadline - monotonic()))):
            if monotonic() > deadline:
                return False
        return True

    def forget(self) -> None:
        self._run = None

    def _read(self) -> "EventFollower":
        if self._run is None:
            self.advance(float("inf"))
        assert self._run is not None
        if self._run.problem:
            raise RunError(self._run.problem)
        return self._run

    def info(self) -> RunInfo:
        return self._read().info

    def state(self) -> State:
        return self._read().state

    def config(self) -> Config:
        return Config()

    def stamp(self) -> Stamp:
        try:
            folders = [self.path, *(path for path in self.path.iterdir() if path.is_dir() and not path.is_symlink())]
            files = [file for folder in folders for file in event_files(folder)]
            stats = [path.stat() for path in (*folders, *files)]
        except OSError:
            return ()
        live = any(time.time() - stat.st_mtime < 2 * SILENCE for stat in stats)
        # A run counts as ended after a time without new values, although no file changes then.
        return (*((stat.st_mtime_ns, stat.st_size) for stat in stats), (int(time.time() / 30) if live else 0, 0))

    def evaluation(self, split: str, checkpoint: str = "last") -> Evaluation | None:  # noqa: ARG002
        return None

    def predictions(self, split: str, checkpoint: str = "last") -> None:  # noqa: ARG002
        return None


def start_key(path: Path) -> str:
    """Return a sort key by start time: the time in the names of the event files."""
    try:
        names = [file.name.partition(".tfevents.")[2] or file.name for file in event_files(path)]
        if not names:
            names = [start_key(child) for child in path.iterdir() if child.is_dir() and not child.is_symlink()]
    except OSError:
        return ""
    return max(names, default="")


def event_folders(root: Path, visited: list[Path], own: Collection[str] = ()) -> list[EventFolder]:
    """Return the runs of other tools in and below `root`, newest first, and add all searched folders to `visited`.
    Skips unreadable folders, and folders in `root` whose names are in `own`."""
    found = sorted(_walk(root, 0, visited, own), key=start_key, reverse=True)
    return [EventFolder(path, plain(path.relative_to(root).as_posix()) if path != root else "") for path in found]


def is_event_folder(path: Path) -> bool:
    return bool(list(_walk(path, DEEPEST, [])))


def _walk(path: Path, depth: int, visited: list[Path], own: Collection[str] = ()) -> Iterator[Path]:
    if len(visited) >= MOST_FOLDERS:
        return
    visited.append(path)
    try:
        files = event_files(path)
        with os.scandir(path) as items:
            names = [
                item.name for item in items if not item.name.startswith(".") and item.is_dir(follow_symlinks=False)
            ]
        others = (path / name for name in sorted(names) if name not in own)
        children = [child for child in others if not is_run_folder(child)]
        parts = [child for child in children if _is_part(child, beside_files=bool(files))]
    except OSError:
        return
    if files or parts:
        yield path
    if depth < DEEPEST:
        for child in children:
            if child not in parts:
                yield from _walk(child, depth + 1, visited)


def _is_part(path: Path, *, beside_files: bool) -> bool:
    return part(path.name, beside_files=beside_files) is not None and bool(event_files(path))
