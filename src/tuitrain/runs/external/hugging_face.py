"""Read trainer_state.json, which Hugging Face's Trainer writes with each checkpoint and at its end."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuitrain.errors import RunError
from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.json_text import decode, flat
from tuitrain.runs.external.rows import Rows
from tuitrain.runs.external.source import Ended, Series, Source
from tuitrain.runs.external.tensorboard.layout import event_files
from tuitrain.runs.files import read
from tuitrain.text import plain

STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-\d+")
# A row of the history takes about 150 bytes.
LARGEST = 64 * 2**20
SETTINGS = ("num_train_epochs", "train_batch_size", "max_steps")


class HuggingFaceFormat(Format):
    """A folder with a trainer_state.json, itself or in its checkpoints, is a run, unless it logged event files, too."""

    title = "Hugging Face's trainer_state.json"

    def runs(self, listing: Listing) -> list[Found]:
        path = listing.path
        if not _state_files(path, listing.files, listing.folders):
            return []
        run = path.parent if _CHECKPOINT.fullmatch(path.name) else path
        return [] if _has_events(run / "runs") else [Found(path)]

    def parts(self, listing: Listing) -> list[str]:
        return [name for name in listing.folders if _CHECKPOINT.fullmatch(name)]

    def files(self, run: Found) -> list[Path]:
        return [run.path, *state_files(run.path)]

    def start_key(self, run: Found) -> str:
        return f"{max(file.stat().st_mtime for file in state_files(run.path)):017.6f}"

    def open(self, run: Found) -> Source:
        return TrainerState(run.path)


def state_files(folder: Path) -> list[Path]:
    """Return the state files of a run. Raises OSError."""
    children = [path.name for path in folder.iterdir() if path.name == STATE or _CHECKPOINT.fullmatch(path.name)]
    return _state_files(folder, children, children)


def _state_files(folder: Path, files: list[str], folders: list[str]) -> list[Path]:
    own = [folder / STATE] if STATE in files else []
    checkpoints = [folder / name / STATE for name in folders if _CHECKPOINT.fullmatch(name)]
    return own + [path for path in checkpoints if path.is_file()]


def _has_events(folder: Path) -> bool:
    with suppress(OSError):
        return any(event_files(path) for path in folder.iterdir() if path.is_dir())
    return False


class TrainerState:
    """Reads the newest state file of a run again when it changes; see `Source`."""

    host = ""
    first = 0.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, Any] = {}
        self.ended: Ended | None = None
        self.last = 0.0
        self.problems: list[str] = []
        self._rows = Rows()
        self._stamp: tuple[str, int, int] | None = None

    @property
    def series(self) -> dict[str, dict[str, Series]]:
        return self._rows.series

    @property
    def changes(self) -> object:
        return self._stamp

    def poll(self, deadline: float) -> bool:  # noqa: ARG002
        """Read the newest file if it has changed. A file that is being written counts as damaged until it is whole."""
        newest = max(state_files(self.path), key=lambda path: path.stat().st_mtime_ns, default=self.path / STATE)
        status = newest.stat()
        if self._stamp == (str(newest), status.st_mtime_ns, status.st_size):
            return False
        self._stamp = (str(newest), status.st_mtime_ns, status.st_size)
        self.last = status.st_mtime
        try:
            state = decode(read(newest, LARGEST))
        except RunError as error:
            self.problems = [str(error)]
            return False
        if isinstance(state, dict) and isinstance(state.get("log_history"), list):
            self.problems = []
            self._take(state)
        else:
            self.problems = [f"{plain(newest.relative_to(self.path), 80)} is damaged: it has no log_history."]
        return False

    def _take(self, state: dict[str, Any]) -> None:
        self._rows = Rows()
        for number, entry in enumerate(state["log_history"], 1):
            self._rows.add(dict(flat(entry)), number)
        numbers = dict(flat(state))
        self.settings = {name: value for name in SETTINGS if (value := numbers.get(name)) is not None}
        step, steps = numbers.get("global_step"), numbers.get("max_steps")
        whole = isinstance(step, float) and isinstance(steps, float) and 0 < steps <= step
        self.ended = "finished" if whole else None


HUGGING_FACE = HuggingFaceFormat()
