"""The user's preferences for the app, stored in `app.toml` in the user configuration folder."""

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from tuitrain.config.toml import read_text
from tuitrain.errors import ConfigError
from tuitrain.files import replace

SlowLine = Literal["auto", "on", "off"]
Pictures = Literal["auto", "blocks", "kitty", "sixel"]


class Preferences(Struct):
    """`own_process` starts runs from the form in the background. `slow_line` redraws curves less often; `auto` does so
    if the terminal answers slowly. `pictures` draws pictures as half blocks, with kitty's graphics or as sixels; `auto`
    uses the graphics that the terminal has. `sbatch` holds options for all Slurm jobs, such as `--partition=gpu`."""

    theme: str = ""
    own_process: bool = False
    slow_line: SlowLine = "auto"
    sbatch: str = ""
    pictures: Pictures = "auto"


def _path() -> Path:
    import platformdirs

    return platformdirs.user_config_path("tuitrain", appauthor=False) / "app.toml"


def user_themes_folder() -> Path:
    return _path().parent / "themes"


def load() -> Preferences:
    """Return the stored preferences, or the defaults if the file is missing or invalid."""
    try:
        return msgspec.toml.decode(read_text(_path()), type=Preferences)
    except (ConfigError, ValueError, RecursionError, msgspec.DecodeError):
        return Preferences()


def update(**changes: str | bool) -> None:
    """Store some preferences and keep the others. Do nothing if the file cannot be written, as in a read-only home
    folder."""
    import tomlkit

    preferences = msgspec.structs.replace(load(), **changes)
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        # Users may keep this file in a repository and link to it from here.
        replace(Path(os.path.realpath(_path())), tomlkit.dumps(msgspec.to_builtins(preferences)).encode())
    except OSError:
        return
