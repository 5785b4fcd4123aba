"""What is known of a run that another tool wrote: less, and not in tuitrain's words."""

from math import isfinite
from typing import Any

from msgspec import field

from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import flatten, parse_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain


class ForeignInfo(RunInfo, kw_only=True):
    """`hparams` are numbers, truths and texts by the setting that they are, or by the other tool's own name; `tags` of
    the tool are counted in `curves`."""

    hparams: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, int] = field(default_factory=dict)


def settings_of(info: RunInfo, config: Config) -> dict[str, Any]:
    """All that is known of the settings, by key."""
    return info.hparams if isinstance(info, ForeignInfo) else flatten(config)


def setting_of(info: RunInfo, config: Config, key: str) -> Any:
    """One setting; None where it is not known."""
    if isinstance(info, ForeignInfo):
        return info.hparams.get(key)
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def fitting(key: str, value: Any) -> Any:
    """The value as the setting has it; None where it is of another kind."""
    wanted = settings()[key]
    if isinstance(value, str) and (wanted.is_list or wanted.kind is not str):
        try:
            return parse_value(key, value)
        except ConfigError:
            return None
    if wanted.is_list or isinstance(value, bool) != (wanted.kind is bool):
        return None
    if wanted.kind in (int, float):
        number = isinstance(value, (int, float)) and isfinite(value) and value == wanted.kind(value)
        return wanted.kind(value) if number else None
    return value.lower() if isinstance(value, str) and value.lower() in wanted.choices else value


def read_only(id: str) -> RunError:
    return RunError(f"{plain(id, 100)} is another tool's run.", "tuitrain shows and compares it, and leaves it alone.")
