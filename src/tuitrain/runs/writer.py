"""The one writer of a run."""

import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.runs.files import overwrite, replace
from tuitrain.runs.folder import RunFolder, new_id, shown_status, slug
from tuitrain.runs.owner import claim, release
from tuitrain.runs.process import this_process
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.rows import Event, Row, encode
from tuitrain.text import plain

# state.json is replaced at most this often, in seconds, but at once where the status changes.
INTERVAL = 0.5
# Stands in log.txt between the time and a detail.
DETAIL = "| "


def default_name(config: Config, runs_dir: Path) -> str:
    """`mnist-mlp-sgd`, or `mnist-mlp-sgd-2` after the first there. Ids tell: reading names would take long of
    thousands of runs."""
    name = _made_with(config)
    ours = re.compile(rf"\d{{8}}-\d{{6}}-{re.escape(slug(name))}(?:-(\d+))?-[0-9a-f]{{4}}")
    try:
        matches = [ours.fullmatch(path.name) for path in runs_dir.iterdir()]
    except OSError:
        return name
    found = [int(match[1] or 1) for match in matches if match]
    # Of a name that is long the number is cut off in the id.
    return f"{name}-{max(*found, len(found)) + 1}" if found else name


def is_default_name(name: str, config: Config) -> bool:
    return re.fullmatch(rf"{re.escape(_made_with(config))}(-\d+)?", name) is not None


def _made_with(config: Config) -> str:
    return f"{config.data.dataset}-{config.model.name}-{config.optimizer.name}"


def create(runs_dir: Path, info: RunInfo, config: Config, original: str = "") -> RunFolder:
    """A new run folder, there all at once or not at all; fills in `info.id` where it is empty. Raises RunError."""
    info.id, info.created = info.id or new_id(info.name), time.time()
    path, draft = runs_dir / info.id, runs_dir / f".{info.id}.new"
    try:
        draft.mkdir(parents=True)
        folder = RunFolder(draft)
        folder.config_file.write_text(dumps(config, original), encoding="utf-8")
        folder.info_file.write_bytes(encode_pretty(info))
        state = State(process=this_process(), heartbeat=time.time(), epochs=config.training.epochs)
        folder.state_file.write_bytes(encode_pretty(state))
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


def is_detail(line: str) -> bool:
    """Whether a line of log.txt is one that a terminal need not show."""
    return line[len("00:00:00 ") :].startswith(DETAIL)


def encode_pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


class RunWriter:
    """Appends rows, and keeps state.json true. Used by the loop's thread alone.

    `taken_up` tells a run that had ended, or been interrupted, from a new one and from one that was handed over.
    Raises RunError where another process writes the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        claim(folder)
        self.folder = folder
        try:
            self._found = folder.state()
            self.taken_up = shown_status(self._found) not in ("queued", "running", "paused")
            self.state = msgspec.structs.replace(self._found, process=this_process(), not_continued="")
            self._metrics = os.open(folder.metrics_file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            self._end_torn_line()
        except OSError as error:
            release(folder)
            raise RunError(f"The run cannot be written: {error.strerror}.") from None
        except BaseException:
            release(folder)
            raise
        self._written = 0.0

    def _end_torn_line(self) -> None:
        """A process that was killed may have left half a row; ours begin on a line of their own."""
        size = os.fstat(self._metrics).st_size
        if size and os.pread(self._metrics, 1, size - 1) != b"\n":
            os.write(self._metrics, b"\n")

    def row(self, row: Row) -> None:
        """Raises OSError where the disk does not take all of it."""
        # One write call a row: a reader, or a copy taken in between, sees at worst a torn last line.
        line = encode(row) + b"\n"
        written = os.write(self._metrics, line)
        if written == len(line):
            return
        try:
            # The disk is full, and this call says so.
            os.write(self._metrics, line[written:])
        except OSError:
            # Half a row would spoil the next one.
            os.ftruncate(self._metrics, os.fstat(self._metrics).st_size - written)
            raise

    def event(self, name: str, detail: str = "", value: float | None = None) -> None:
        self.row(Event(name, self.state.step, self.state.epoch, time.time(), detail, value))

    def log(self, line: str, *, detail: bool = False) -> None:
        """A line of the run's own in log.txt, among what others print there. A log that cannot be written is no reason
        to end. A detail is for who looks into the log, and not for a terminal that follows it."""
        try:
            with self.folder.log_file.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {DETAIL if detail else ''}{line}\n")
        except OSError:
            return

    def info(self, info: RunInfo) -> None:
        """Fill in what the run was made with, and leave what the user may have changed."""
        known = self.folder.info()
        for name in ("id", "name", "notes", "tags", "parent", "created", "command"):
            setattr(info, name, getattr(known, name))
        replace(self.folder.info_file, encode_pretty(info))

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Change the state; on disk at once where `now` or the status changes, else within the interval."""
        now = now or changes.get("status", self.state.status) != self.state.status
        for name, value in changes.items():
            setattr(self.state, name, value)
        if now or time.monotonic() - self._written >= INTERVAL:
            self.state.heartbeat = time.time()
            replace(self.folder.state_file, encode_pretty(self.state))
            self._written = time.monotonic()

    def end(self, **changes: Any) -> None:
        """The last change of the state, which finds its way also onto a full disk."""
        try:
            self.update(now=True, **changes)
        except OSError:
            overwrite(self.folder.state_file, encode_pretty(self.state))

    def put_back(self, reason: str) -> None:
        """The state in which a run was that is taken up; nothing came of it, for that `reason`."""
        self.log(f"not trained on: {reason}", detail=True)
        # Of no process: one that says that it runs is interrupted, as it was.
        self.state = msgspec.structs.replace(self._found, process=None, not_continued=reason)
        self.end()

    def close(self) -> None:
        if self._metrics >= 0:
            os.close(self._metrics)
            self._metrics = -1
            release(self.folder)
