"""Obey the commands of the user in a script that asks for them."""

from collections.abc import Callable
from typing import Any

from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.external.tags import setting
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.scripts.commands import STOP


class Steering:
    """The commands that a script has been given. The script's thread asks and the writer thread reads; both see plain
    dictionaries and flags, so that asking costs nothing."""

    def __init__(self, folder: RunFolder) -> None:
        self._inbox = Inbox(folder, 0)
        self.asks: dict[str, Any] = {}
        """What the script asks for, and the value that it had then."""
        self.stopped_by: str | None = None
        self.changed: dict[str, Any] = {}

    @property
    def should_stop(self) -> bool:
        if STOP not in self.asks:
            self.asks[STOP] = None
        return self.stopped_by is not None

    def setting(self, name: str, present: Callable[[], Any]) -> Any:
        """Return the value that the user has given a setting, or its `present` one."""
        if name in self.changed:
            return self.changed[name]
        value = present()
        if name not in self.asks:
            self.asks[name] = value
        return value

    def read(self) -> list[tuple[str, str, float | None]]:
        """Read new commands and return the name, detail and value of the event that answers each."""
        return [self._obey(command) for command in self._inbox.new()]

    def _obey(self, command: Command) -> tuple[str, str, float | None]:
        if command.name == STOP:
            if STOP not in self.asks:
                return "refused", "stop: this script does not ask whether to stop", None
            self.stopped_by = command.by
            return "stopping", f"by {command.by}", None
        if command.name not in ("set", "lr"):
            return "refused", f"{command.name}: a script only stops and changes its settings", command.value
        key = command.key if command.name == "set" else self._learning_rate()
        if key not in self.asks or key == STOP:
            return "refused", f"{key}: this script does not ask for it", command.value
        before = self.asks[key]
        to: Any = command.to if command.name == "set" else command.value
        if isinstance(before, float) and isinstance(to, int) and not isinstance(to, bool):
            to = float(to)
        if before is not None and type(to) is not type(before):
            return "refused", f"{key}: {to!r} is not a value like {before!r}", command.value
        self.changed[key] = to
        number = float(to) if isinstance(to, (int, float)) else None

        return ("lr" if command.name == "lr" else "set"), f"{key}={to}", number

    def _learning_rate(self) -> str:
        """Return the name of the setting that is the learning rate."""
        return next((name for name in self.asks if setting(name) == "optimizer.lr"), "lr")
