"""Commands to the loop of an active run. Any process may append them to the control file; the loop reads them."""

import getpass
import os
import platform
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from tuitrain.config.schedule import Extension
from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import open_to_append
from tuitrain.runs.files import decode_or_none, read_lines
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Event, decode

CommandName = Literal["stop", "pause", "resume", "checkpoint", "lr", "epochs", "detach", "set"]
COMMANDS: tuple[str, ...] = get_args(CommandName)
# The settings that a command changes.
KEYS: dict[CommandName, str] = {"lr": "optimizer.lr", "epochs": "training.epochs"}
# Seconds to wait for the answer of a loop, and between two reads. A loop that trains or is paused answers at once.
ANSWER_SECONDS, READ_INTERVAL = 3.0, 0.05

# The value of a setting of a user's script.
Setting = int | float | bool | str | None


class Command(Struct, frozen=True):
    """`value` is the new learning rate for `lr`, the new number of epochs for `epochs`, and None otherwise. `schedule`
    is an `Extension` for `epochs`; empty means stretch. A stopped run records `reason`. `set` gives the setting
    `key` of a user's script the value `to`."""

    name: CommandName
    time: float
    value: float | None = None
    by: str = ""
    reason: str = ""
    schedule: Literal["", "stretch", "hold", "restart"] = ""
    key: str = ""
    to: Setting = None


# A longer line is no command.
LONGEST = 2**20
_decode = msgspec.json.Decoder(Command).decode


def send(
    folder: RunFolder,
    name: CommandName,
    value: float | None = None,
    schedule: Extension = "stretch",
    *,
    key: str = "",
    to: Setting = None,
) -> None:
    """Append a command to the control file; `schedule` is for `epochs`, `key` and `to` are for `set`. Raises RunError
    if it cannot be written."""
    folder.check_own_files()
    by, schedule_name = f"{_user()}@{platform.node()}", schedule if name == "epochs" else ""
    command = Command(name, time.time(), value, by, schedule=schedule_name, key=key, to=to)
    line = msgspec.json.encode(command) + b"\n"
    try:
        with open_to_append(folder.control_file) as file:
            file.write(line)
    except OSError as error:
        raise RunError(f"The command {name!r} cannot be written: {error.strerror}.") from None


def accepted(name: CommandName, value: float | None, begun: int) -> Any:
    """Return the valid setting for a command in `KEYS`. Raises ConfigError if the run must refuse it. `begun` is the
    number of epochs that have started."""
    key = KEYS[name]
    setting = check_value(key, int(value) if name == "epochs" and value is not None and value % 1 == 0 else value)
    if name == "epochs" and setting < begun:
        raise ConfigError(
            f"{key} = {setting} is not allowed: epoch {begun} has started, so it must be at least {begun}.", key=key
        )
    return setting


def ask(folder: RunFolder, name: CommandName, value: float, timeout: float = ANSWER_SECONDS) -> Event | None:
    """Send a command in `KEYS` and return the loop's answer: an event named `refused` or like the command. Return None
    if there is no answer within `timeout` seconds. Raises RunError like `send`."""
    return _answer(folder, lambda: send(folder, name, value), lambda event: event.name in (name, "refused")
                   and event.value == value, timeout)  # fmt: skip


def ask_script(folder: RunFolder, key: str, to: Setting, timeout: float = ANSWER_SECONDS) -> Event | None:
    """Like `ask`, for the setting `key` of a user's script."""
    return _answer(folder, lambda: send(folder, "set", key=key, to=to), lambda event: event.name in ("set", "refused")
                   and key in event.detail, timeout)  # fmt: skip


def _answer(
    folder: RunFolder, send: Callable[[], None], answers: Callable[[Event], bool], timeout: float
) -> Event | None:
    try:
        answer_offset = folder.metrics_file.stat().st_size
    except OSError:
        raise RunError(f"{folder.metrics_file.name} is missing.") from None
    send()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        time.sleep(READ_INTERVAL)
        lines, answer_offset = read_lines(folder.metrics_file, answer_offset, LONGEST)
        for line in lines:
            row = decode_or_none(decode, line)
            if isinstance(row, Event) and answers(row):
                return row
    return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class Inbox:
    """Reads the commands of a run that are appended after the inbox was created, or after byte `since` of the file.
    `put` adds commands of the training process itself: those of signals and of the app when it quits. `path` replaces
    the control file."""

    def __init__(self, folder: RunFolder, since: int | None = None, path: Path | None = None) -> None:
        self._waiting: deque[Command] = deque()
        self._path = path or folder.control_file
        self.read_to = self._size() if since is None else since
        """The byte offset from which another process must continue to read."""

    def put(self, name: CommandName, reason: str = "") -> None:
        """Add a command. Safe to call from any thread and from signal handlers."""
        self._waiting.append(Command(name, time.time(), None, f"process {os.getpid()}", reason))

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def new(self) -> list[Command]:
        """Return the new commands. Invalid lines are skipped; an incomplete line waits for the next call."""
        self._waiting.extend(self._from_file())
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def leaving(self) -> bool:
        """Return whether a stop or detach command is waiting, without removing it."""
        self._waiting.extend(self._from_file())
        return any(command.name in ("stop", "detach") for command in tuple(self._waiting))

    def _from_file(self) -> list[Command]:
        size = self._size()
        if size < self.read_to:
            # The file was removed and created again.
            self.read_to = 0
        if size == self.read_to:
            return []
        try:
            lines, self.read_to = read_lines(self._path, self.read_to, LONGEST)
        except RunError:
            # An unreadable control file must not end the run.
            return []
        commands = (decode_or_none(_decode, line) for line in lines)
        return [command for command in commands if command is not None]
