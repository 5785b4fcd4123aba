"""Commands to a running loop, appended by anyone and read by the loop."""

import getpass
import os
import platform
import time
from collections import deque
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Event, Row, decode

CommandName = Literal["stop", "pause", "resume", "checkpoint", "lr", "epochs", "detach"]
COMMANDS: tuple[str, ...] = get_args(CommandName)
# The settings that a command changes.
KEYS: dict[CommandName, str] = {"lr": "optimizer.lr", "epochs": "training.epochs"}
# Seconds that a loop is given to answer, which it does at once where it trains or is paused.
PATIENCE, LOOK = 3.0, 0.05


class Command(Struct, frozen=True):
    """`value` is the new learning rate of `lr`, the new number of epochs of `epochs`, else None; `reason` is said of a
    run that is stopped."""

    name: CommandName
    time: float
    value: float | None = None
    by: str = ""
    reason: str = ""


# Commands are short: what is read of the file at once, and what of a line without an end is read at all.
CHUNK = 2**20
_decode = msgspec.json.Decoder(Command).decode


def send(folder: RunFolder, name: CommandName, value: float | None = None) -> None:
    """Raises RunError where the command cannot be written."""
    folder.refuse_links()
    line = msgspec.json.encode(Command(name, time.time(), value, f"{_user()}@{platform.node()}")) + b"\n"
    try:
        descriptor = os.open(folder.control_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RunError(f"The command {name!r} cannot be written: {error.strerror}.") from None


def accepted(name: CommandName, value: float | None, begun: int) -> Any:
    """What a run that has begun so many epochs sets for a command of `KEYS`. Raises ConfigError where it refuses."""
    key = KEYS[name]
    found = check_value(key, int(value) if name == "epochs" and value is not None and value % 1 == 0 else value)
    if name == "epochs" and found < begun:
        raise ConfigError(
            f"{key} = {found} is not allowed: epoch {begun} has begun, so it must be at least {begun}.", key=key
        )
    return found


def ask(folder: RunFolder, name: CommandName, value: float, patience: float = PATIENCE) -> Event | None:
    """Send a command of `KEYS`, and wait a moment for the loop's answer, which is `refused` or the command's name; None
    where there was none yet. Raises RunError as `send`."""
    if not folder.metrics_file.is_file():
        raise RunError(f"{folder.metrics_file.name} is missing.")
    with folder.metrics_file.open("rb") as rows:
        rows.seek(0, os.SEEK_END)
        send(folder, name, value)
        deadline, rest = time.monotonic() + patience, b""
        while time.monotonic() < deadline:
            time.sleep(LOOK)
            *lines, rest = (rest + rows.read()).split(b"\n")
            for row in map(_row, lines):
                if isinstance(row, Event) and row.name in (name, "refused") and row.value == value:
                    return row
    return None


def _row(line: bytes) -> Row | None:
    try:
        row: Row = decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class Inbox:
    """The commands that came since the last look; those of before it was opened, or before the place `since` in the
    file, are passed over.

    `put` is for the process that trains: signals, and an app that is left.
    """

    def __init__(self, folder: RunFolder, since: int | None = None) -> None:
        self._own: deque[Command] = deque()
        self._kept: list[Command] = []
        self._path = folder.control_file
        self._offset = self._size() if since is None else since

    @property
    def read_to(self) -> int:
        """The place in the file that another process is to read on from."""
        return self._offset

    def put(self, name: CommandName, reason: str = "") -> None:
        """From any thread, or a signal handler."""
        self._own.append(Command(name, time.time(), None, f"process {os.getpid()}", reason))

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def new(self) -> list[Command]:
        """Lines that are no commands are passed over; a line without its end waits."""
        kept, self._kept = self._kept, []
        return kept + self._came()

    def leaving(self) -> bool:
        """Whether a stop or a hand-over is among what came; all of it stays to be read."""
        self._kept += self._came()
        return any(command.name in ("stop", "detach") for command in self._kept)

    def _came(self) -> list[Command]:
        own = [self._own.popleft() for _ in range(len(self._own))]
        return own + self._from_file()

    def _from_file(self) -> list[Command]:
        size = self._size()
        if size < self._offset:
            # The file was removed and made anew.
            self._offset = 0
        if size <= self._offset:
            return []
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(CHUNK)
        except OSError:
            # A file that is not the loop's to read must not end the run.
            return []
        whole, newline, _ = chunk.rpartition(b"\n")
        if not newline:
            # A line that fills a chunk is none of ours.
            self._offset += CHUNK if len(chunk) == CHUNK else 0
            return []
        self._offset += len(whole) + 1
        commands = []
        for line in whole.split(b"\n"):
            try:
                commands.append(_decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
        return commands
