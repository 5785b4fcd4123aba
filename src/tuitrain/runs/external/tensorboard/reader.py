"""Read all event files of one run while they grow."""

from pathlib import Path
from time import monotonic
from typing import Any

from tuitrain.runs.external import hparams
from tuitrain.runs.external.source import Ended, Series
from tuitrain.runs.external.tensorboard.event_file import EventFile
from tuitrain.runs.external.tensorboard.layout import event_files, host, part
from tuitrain.runs.external.tensorboard.session import session
from tuitrain.text import plain


class Reader:
    """Reads the event files of a run into `series`, by part and tag, and its hparams into `settings`. See `Source`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self.series: dict[str, dict[str, Series]] = {}
        self.settings: dict[str, Any] = {}
        self.ended: Ended | None = None
        self._files: dict[Path, EventFile] = {}
        self._unreadable: dict[Path, str] = {}
        self._yaml = False

    @property
    def host(self) -> str:
        return next((name for path in self._files if (name := host(path.name))), "")

    @property
    def changes(self) -> tuple[int, ...]:
        """A value that changes with everything that `poll` reads."""
        return tuple(file.changes for file in self._files.values())

    @property
    def problems(self) -> list[str]:
        return [*self._unreadable.values(), *(file.problem for file in self._files.values() if file.problem)]

    @property
    def first(self) -> float:
        """The time of the first event, or 0."""
        return min((file.first for file in self._files.values() if file.first), default=0.0)

    @property
    def last(self) -> float:
        return max((file.last for file in self._files.values()), default=0.0)

    def poll(self, deadline: float) -> bool:
        """Read until `deadline` (of time.monotonic); return whether there is more to read. Raises OSError if the folder
        cannot be read."""
        self._find()
        for file in list(self._files.values()):
            try:
                if file.poll(deadline):
                    return True
                self._unreadable.pop(file.path, None)
            except OSError as error:
                self._unreadable[file.path] = f"{plain(file.path.name, 80)} cannot be read: {error.strerror}."
            if monotonic() > deadline and file is not list(self._files.values())[-1]:
                return True
        return False

    def _find(self) -> None:
        """Find new files. If a file became shorter or disappeared, start again with all files."""
        found = dict.fromkeys(event_files(self.path), "")
        for folder in sorted(path for path in self.path.iterdir() if path.is_dir() and not path.is_symlink()):
            name = part(folder.name, beside_files=bool(found))
            if name is not None:
                found |= dict.fromkeys(event_files(folder), name)
        if any(path not in found or path.stat().st_size < file.offset for path, file in self._files.items()):
            self._clear()
        for path, name in found.items():
            if path not in self._files:
                self._files[path] = EventFile(path, self.series.setdefault(name, {}), self._plugin)
        if not self._yaml and (self.path / "hparams.yaml").is_file():
            self._yaml = True
            self.settings |= hparams.from_yaml(self.path / "hparams.yaml")

    def _plugin(self, name: str, content: bytes) -> None:
        if name == "hparams":
            found, ended = session(content)
            self.settings |= found
            self.ended = self.ended if ended is None else ended
