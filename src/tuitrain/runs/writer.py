"""Create and write the files of a run."""

import errno
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.code import short_name
from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.files import open_to_append, open_to_write, remove_drafts, replace
from tuitrain.runs.files import new_folder, overwrite
from tuitrain.runs.folder import RunFolder, new_id, shown_status, slug
from tuitrain.runs.owner import claim, release
from tuitrain.runs.process import this_process
from tuitrain.runs.records import ACTIVE, RunInfo, SlurmJob, State
from tuitrain.runs.rows import Event, Row, encode
from tuitrain.runs.user_files import name_copies

# Minimum seconds between two writes of state.json, unless the status changes.
INTERVAL = 0.5
# Marks the detail lines of log.txt, after the time.
DETAIL = "| "


def default_name(config: Config, runs_dir: Path) -> str:
    """Return a name such as `mnist-mlp-sgd`, or `mnist-mlp-sgd-2` if the first is in use."""
    return numbered_name(_base_name(config), runs_dir)


def next_name(name: str, runs_dir: Path) -> str:
    """Return the name of another run like the one with this name: `mine-2` for `mine`, and `mine-3` for `mine-2`."""
    base = re.sub(r"-\d+$", "", name)
    return numbered_name(base if 1 in _numbers(base, runs_dir) else name, runs_dir)


def numbered_name(name: str, runs_dir: Path) -> str:
    """Return `name`, or `name-2` and so on if runs have it already."""
    numbers = _numbers(name, runs_dir)
    # The id of a long name lacks its number, so the count is a lower bound.
    return f"{name}-{max(*numbers, len(numbers)) + 1}" if numbers else name


def _numbers(name: str, runs_dir: Path) -> list[int]:
    """Return the numbers of the runs with a name, 1 without a number. Looks at the ids of the runs only: reading the
    names of thousands of runs would take long."""
    pattern = re.compile(rf"\d{{8}}-\d{{6}}-{re.escape(slug(name))}(?:-(\d+))?-[0-9a-f]{{4}}")
    try:
        matches = [pattern.fullmatch(path.name) for path in runs_dir.iterdir()]
    except OSError:
        return []
    return [int(match[1] or 1) for match in matches if match]


def is_default_name(name: str, config: Config) -> bool:
    return re.fullmatch(rf"{re.escape(_base_name(config))}(-\d+)?", name) is not None


def user_named(info: RunInfo, config: Config) -> bool:
    """Return whether the user chose the name of the run, at the start or later, rather than tuitrain or a sweep."""
    by_sweep = info.parent and re.search(rf"-{re.escape(slug(info.name))}-[0-9a-f]{{4}}$", info.id)
    return bool(info.name) and not by_sweep and not is_default_name(info.name, config)


def _base_name(config: Config) -> str:
    data, model = short_name(config.data.dataset), short_name(config.model.name)
    return f"{data}-{model}-{config.optimizer.name}"


def create(
    runs_dir: Path, info: RunInfo, config: Config, original: str = "", sources: Mapping[str, bytes] | None = None
) -> RunFolder:
    """Create a run folder completely or not at all, and set `info.id` if it is empty. Copy `sources`, the contents
    of the user's files by path, into it. Raises RunError."""
    copies = name_copies(config, sources or {})
    info.code = list(copies.values())
    info.id, info.created = info.id or new_id(info.name, runs_dir), time.time()
    path = runs_dir / info.id
    with new_folder(path, "run", runs_dir) as draft:
        folder = RunFolder(draft)
        folder.config_file.write_text(dumps(config, original), encoding="utf-8")
        folder.info_file.write_bytes(encode_pretty(info))
        state = State(process=this_process(), heartbeat=time.time(), epochs=config.training.epochs)
        folder.state_file.write_bytes(encode_pretty(state))
        folder.metrics_file.touch()
        folder.log_file.touch()
        folder.checkpoints.mkdir()
        folder.evaluations.mkdir()
        for path_of_user, file in copies.items():
            folder.code.mkdir(exist_ok=True)
            (folder.code / file.copy).write_bytes((sources or {})[path_of_user])
    return RunFolder(path)


def _this_job(state: State) -> SlurmJob | None:
    """Return the Slurm job of a run if this process belongs to it."""
    return state.slurm if state.slurm and state.slurm.id == os.environ.get("SLURM_JOB_ID") else None


def is_detail(line: str) -> bool:
    """Return whether a line of log.txt is a detail, which terminals do not show."""
    return line[len("00:00:00 ") :].startswith(DETAIL)


def encode_pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def log_line(line: str, *, detail: bool = False) -> str:
    """Return a line of log.txt. A terminal that follows the run shows the line unless it is a `detail`."""
    return f"{time.strftime('%H:%M:%S')} {DETAIL if detail else ''}{line}\n"


class RunWriter:
    """Appends metrics rows and updates state.json. Only the thread of the loop may use it. A run that was waiting to be
    started no longer is, once its state is written.

    `resumed` is true if the run had ended or been interrupted, and false for a new run and one that moved to this
    process. `previous` is the state before this process owned it or the run waited, and `waiting` what it waited for.
    A `deputy` writes in place of the process that owns the run, and waits for this one. Raises RunError if another
    process owns the run.
    """

    def __init__(self, folder: RunFolder, *, deputy: bool = False) -> None:
        if not deputy:
            claim(folder)
        self.folder = folder
        try:
            found = folder.state()
            self.waiting = found.waiting if found.status == "queued" else None
            self.previous = found.before_waiting
            self.resumed = shown_status(self.previous) not in ACTIVE
            owner = self.previous.process if deputy else this_process()
            self.state = msgspec.structs.replace(
                self.previous, process=owner, not_continued="", waiting=None, slurm=_this_job(self.previous)
            )
            for path in (folder.state_file, *(folder.checkpoints / f"{name}.safetensors" for name in ("last", "best"))):
                remove_drafts(path)
            self._metrics = open_to_write(folder.metrics_file, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            self._end_torn_line()
        except OSError as error:
            release(folder)
            raise RunError(f"The run cannot be written: {error.strerror}.") from None
        except BaseException:
            release(folder)
            raise
        self._written = 0.0
        self._clock_started = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the seconds since 1970 for rows and states. They ignore later changes of the machine's clock, so that
        the times and durations of a run stay right."""
        return self.time_at(time.monotonic())

    def time_at(self, moment: float) -> float:
        """Return what `now` returned at a `moment` of time.monotonic."""
        return self._clock_started + moment

    def _end_torn_line(self) -> None:
        """Complete the partial row that a killed process may have left, so that the next row starts on a new line."""
        size = os.fstat(self._metrics).st_size
        if size and os.pread(self._metrics, 1, size - 1) != b"\n":
            os.write(self._metrics, b"\n")

    def row(self, row: Row) -> None:
        """Append a row to metrics.jsonl. Raises OSError, if the disk is full for example."""
        self.lines(encode(row) + b"\n")

    def lines(self, line: bytes) -> None:
        """Append one or more encoded rows, all or none of them; each ends with a newline. Raises OSError."""
        # One write call: a reader or a copy sees a partial last line at worst.
        size = os.fstat(self._metrics).st_size
        try:
            while line:
                line = line[os.write(self._metrics, line) :]
        except OSError:
            # A partial row would damage the next one.
            with suppress(OSError):
                os.ftruncate(self._metrics, size)
            raise

    def event(self, name: str, detail: str = "", value: float | None = None) -> None:
        self.row(Event(name, self.state.step, self.state.epoch, self.now(), detail, value))

    def log(self, line: str, *, detail: bool = False) -> None:
        """Append a `log_line` to log.txt; ignore errors, because the run can continue without a log."""
        try:
            with open_to_append(self.folder.log_file) as file:
                file.write(log_line(line, detail=detail).encode("utf-8", "replace"))
        except OSError:
            return

    def info(self, info: RunInfo) -> None:
        """Write run.json, but keep the fields that the user may have changed, such as name and tags."""
        current = self.folder.info()
        for name in ("id", "name", "notes", "tags", "parent", "created", "command", "code"):
            setattr(info, name, getattr(current, name))
        replace(self.folder.info_file, encode_pretty(info))

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Change the state. Write it at once if the status changes or `now` is set, otherwise every `INTERVAL`
        seconds."""
        now = now or changes.get("status", self.state.status) != self.state.status
        for name, value in changes.items():
            setattr(self.state, name, value)
        if now or time.monotonic() - self._written >= INTERVAL:
            self.state.heartbeat = time.time()
            replace(self.folder.state_file, encode_pretty(self.state))
            self._written = time.monotonic()

    def end(self, **changes: Any) -> None:
        """Write the final state, also to a full disk: then in place of the old content."""
        try:
            self.update(now=True, **changes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                # A broken disk could damage the old state, too.
                raise
            overwrite(self.folder.state_file, encode_pretty(self.state))

    def restore_state(self, reason: str) -> None:
        self.log(f"not resumed: {reason}", detail=True)
        # Without a process, an active status reads as interrupted, which it was before.
        self.state = msgspec.structs.replace(self.previous, process=None, not_continued=reason)
        self.end()

    def reload(self) -> None:
        """Take over the state that a deputy has written."""
        self.state = self.folder.state()

    def close(self) -> None:
        if self._metrics >= 0:
            os.close(self._metrics)
            self._metrics = -1
            release(self.folder)
