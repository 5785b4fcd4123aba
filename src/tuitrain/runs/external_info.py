"""The settings of a run that another tool wrote, as far as they are known."""

from math import isfinite
from typing import Any

from msgspec import field

from tuitrain.config.conditions import used_settings
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError
from tuitrain.runs.records import RunInfo


class ExternalRunInfo(RunInfo, kw_only=True):
    """`files` says what the run is read from. `hparams` maps setting keys, or the other tool's own names, to numbers,
    booleans and strings. `curves` contains the number of values of each tag or column, and `results` what a script
    stored in `run.summary`."""

    files: str = ""
    hparams: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, int] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)


def settings_of(info: RunInfo, config: Config) -> dict[str, Any]:
    """Return the known settings that the run uses, by key."""
    return info.hparams if isinstance(info, ExternalRunInfo) else used_settings(config)


def convert_setting(key: str, value: Any) -> Any:
    """Return `value` with the type of the setting, or None if the types do not match."""
    setting = settings()[key]
    if isinstance(value, str) and (setting.is_list or setting.kind is not str):
        try:
            return parse_value(key, value)
        except ConfigError:
            return None
    if setting.is_list or isinstance(value, bool) != (setting.kind is bool):
        return None
    if setting.kind in (int, float):
        number = isinstance(value, (int, float)) and isfinite(value) and value == setting.kind(value)
        return setting.kind(value) if number else None
    return value.lower() if isinstance(value, str) and value.lower() in setting.choices else value
