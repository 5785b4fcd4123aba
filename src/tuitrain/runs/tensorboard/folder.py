"""Folders of event files as runs that are only read."""

import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.external import read_only
from tuitrain.runs.folder import RunFolder, Stamp, is_run_folder
from tuitrain.runs.process import SILENCE
from tuitrain.runs.records import Evaluation, RunInfo, State
from tuitrain.runs.tensorboard.layout import event_files, part
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.runs.tensorboard.follower import EventFollower

# How deep runs lie below the folder that is asked for, and how many folders are looked into.
DEEPEST, MOST_FOLDERS = 6, 20_000


class EventFolder(RunFolder):
    """As a `RunFolder`; what it knows of the run is read when it is asked for, and kept until `forget`."""

    read_only = True

    def __init__(self, path: Path, id: str = "") -> None:
        super().__init__(path)
        self.id = id or path.absolute().name
        self._run: EventFollower | None = None

    def name(self) -> str:
        """The last part of the id: what tells runs apart in the room of a column."""
        return plain(self.id.rpartition("/")[2])

    def follow(self, *, brief: bool = False) -> "EventFollower":
        from tuitrain.runs.tensorboard.follower import EventFollower

        return EventFollower(self, brief=brief)

    def advance(self, seconds: float) -> bool:
        """Read for about so long; whether all is read."""
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
        # A run that falls silent changes no file, and is over then.
        return (*((stat.st_mtime_ns, stat.st_size) for stat in stats), (int(time.time() / 30) if live else 0, 0))

    def evaluation(self, split: str, checkpoint: str = "last") -> Evaluation | None:  # noqa: ARG002
        return None

    def check_writable(self) -> None:
        raise read_only(self.id)


def begun(path: Path) -> str:
    """What the newest are sorted by: the time in the names of event files."""
    try:
        names = [file.name.partition(".tfevents.")[2] or file.name for file in event_files(path)]
        names += [begun(child) for child in path.iterdir() if not names and child.is_dir() and not child.is_symlink()]
    except OSError:
        return ""
    return max(names, default="")


def event_folders(root: Path, visited: list[Path], own: Collection[str] = ()) -> list[EventFolder]:
    """The runs of other tools below `root`, itself included, newest first; the folders that were looked into are added
    to `visited`. What cannot be read is passed over, and so are the folders in `root` with the names in `own`."""
    found = sorted(_walk(root, 0, visited, own), key=begun, reverse=True)
    return [EventFolder(path, plain(path.relative_to(root).as_posix()) if path != root else "") for path in found]


def is_event_folder(path: Path) -> bool:
    return bool(list(_walk(path, DEEPEST, [])))


def _walk(path: Path, depth: int, visited: list[Path], own: Collection[str] = ()) -> Iterator[Path]:
    if len(visited) >= MOST_FOLDERS:
        return
    visited.append(path)
    try:
        files = event_files(path)
        with os.scandir(path) as found:
            inside = [one.name for one in found if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)]
        others = (path / name for name in sorted(inside) if name not in own)
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
