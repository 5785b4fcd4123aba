"""The one writer of a run."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.runs.files import replace
from tuitrain.runs.folder import RunFolder, new_id
from tuitrain.runs.process import this_process
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.rows import Event, Row, encode
from tuitrain.text import plain

# state.json is replaced at most this often, in seconds, but at once where the status changes.
INTERVAL = 0.5


def default_name(config: Config) -> str:
    return f"{config.data.dataset}-{config.model.name}-{config.optimizer.name}"


def create(runs_dir: Path, info: RunInfo, config: Config, original: str = "") -> RunFolder:
    """A new run folder, there all at once or not at all; fills in `info.id`. Raises RunError."""
    info.id = new_id(info.name)
    path, draft = runs_dir / info.id, runs_dir / f".{info.id}.new"
    try:
        draft.mkdir(parents=True)
        folder = RunFolder(draft)
        folder.config_file.write_text(dumps(config, original), encoding="utf-8")
        folder.info_file.write_bytes(encode_pretty(info))
        folder.state_file.write_bytes(encode_pretty(State(process=this_process(), heartbeat=time.time())))
        folder.metrics_file.touch()
        folder.log_file.touch()
        folder.checkpoints.mkdir()
        folder.evaluations.mkdir()
        draft.rename(path)
    except OSError as error:
        raise RunError(
            f"No run can be made in {plain(runs_dir)}: {error.strerror}.", "Choose another folder with --runs-dir."
        ) from None
    return RunFolder(path)


def encode_pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


class RunWriter:
    """Appends rows, and keeps state.json true. Used by the loop's thread alone."""

    def __init__(self, folder: RunFolder, state: State | None = None) -> None:
        self.folder = folder
        self.state = state or State()
        self._metrics = os.open(folder.metrics_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._written = 0.0

    def row(self, row: Row) -> None:
        # One write call a row: a reader, or a copy taken in between, sees at worst a torn last line.
        os.write(self._metrics, encode(row) + b"\n")

    def event(self, name: str, detail: str = "", value: float | None = None) -> None:
        self.row(Event(name, self.state.step, self.state.epoch, time.time(), detail, value))

    def log(self, line: str) -> None:
        """A line of the run's own in log.txt, among what others print there."""
        with self.folder.log_file.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Change the state; on disk at once where `now` or the status changes, else within the interval."""
        now = now or changes.get("status", self.state.status) != self.state.status
        for name, value in changes.items():
            setattr(self.state, name, value)
        if now or time.monotonic() - self._written >= INTERVAL:
            self.state.heartbeat = time.time()
            self.state.process = self.state.process or this_process()
            replace(self.folder.state_file, encode_pretty(self.state))
            self._written = time.monotonic()

    def close(self) -> None:
        if self._metrics >= 0:
            os.close(self._metrics)
            self._metrics = -1
