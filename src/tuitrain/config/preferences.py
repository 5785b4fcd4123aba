"""What the user prefers of the app itself, kept between sessions in one small TOML file."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

SlowLine = Literal["auto", "on", "off"]


class Preferences(Struct):
    """`own_process`: a run that is started from the form gets a process of its own. `slow_line`: curves are redrawn
    more seldom; `auto` where the terminal answers late."""

    theme: str = ""
    own_process: bool = False
    slow_line: SlowLine = "auto"


def _path() -> Path:
    import platformdirs

    return platformdirs.user_config_path("tuitrain", appauthor=False) / "app.toml"


def user_themes_folder() -> Path:
    return _path().parent / "themes"


def load() -> Preferences:
    """The defaults where there is no file, or one that makes no sense: never a reason not to start."""
    try:
        return msgspec.toml.decode(_path().read_bytes(), type=Preferences)
    except (OSError, ValueError, RecursionError, msgspec.DecodeError):
        return Preferences()


def save(preferences: Preferences) -> None:
    """Quietly does nothing where the file cannot be written: a read-only home is no reason to complain."""
    import tomlkit

    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        _path().write_text(tomlkit.dumps(msgspec.to_builtins(preferences)), encoding="utf-8")
    except OSError:
        return


def update(**changes: str | bool) -> None:
    """Save some, and leave the others as they are in the file."""
    save(msgspec.structs.replace(load(), **changes))
