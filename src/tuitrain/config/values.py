"""Build configurations from text and plain values, and list their values again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tuitrain.config.arguments import is_argument, parse_argument, with_argument
from tuitrain.config.code import COMMAND
from tuitrain.config.formatting import unquoted
from tuitrain.config.schema import Config
from tuitrain.config.settings import Setting, settings
from tuitrain.config.validation import check_combinations, check_value, find_setting, not_allowed
from tuitrain.errors import ConfigError
from tuitrain.text import plain

_BOOLEANS = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


def parse_value(setting: Setting | str, text: str) -> Any:
    """Return the value that `text`, from a form or `--set`, means for `setting`, a Setting or the dotted key of one.
    Lists are written `128, 256` or `[128, 256]`, and text may stand in quotes. Raise ConfigError if the value is not
    allowed."""
    if isinstance(setting, str):
        setting = find_setting(setting)
    text = text.strip()
    if is_argument(setting.key):
        return parse_argument(setting.key, text)
    if setting.optional and text.lower() in ("none", ""):
        return None
    if setting.automatic and text.lower() in ("auto", ""):
        return "auto"
    try:
        if setting.is_list:
            items = text.removeprefix("[").removesuffix("]").split(",")
            return check_value(setting, [_parse_scalar(setting, item.strip()) for item in items if item.strip()])
        return check_value(setting, _parse_scalar(setting, text))
    except (ValueError, KeyError, OverflowError):
        raise not_allowed(setting, text) from None


def _parse_scalar(setting: Setting, text: str) -> object:
    if setting.kind is bool:
        return _BOOLEANS[text.lower()]
    if setting.kind is str:
        return text if setting.key == COMMAND else unquoted(text)
    return setting.kind(text.replace("_", ""))


def build_config(values: Mapping[str, object]) -> Config:
    """Return a configuration with `values`, by dotted key, and defaults for all other settings. Raise ConfigError if a
    value is not allowed, or if values contradict each other."""
    tree: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        if not is_argument(key):
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = check_value(key, value)
    for key, value in values.items():
        if is_argument(key):
            model = tree.setdefault("model", {})
            model["args"] = with_argument(model.get("args", "{}"), key, check_value(key, value))
    config = msgspec.convert(tree, Config)
    check_combinations(config)
    return config


def flatten(config: Config) -> dict[str, Any]:
    """Return all values by dotted key, in the order of their declaration."""
    return {key: getattr(getattr(config, item.section), key.partition(".")[2]) for key, item in settings().items()}


def override(config: Config, assignments: Iterable[str], only: Sequence[str] = ()) -> Config:
    """Return `config` with each `KEY=VALUE` applied; the last assignment to a key wins. Raise ConfigError, also for a
    key that is not one of `only`, if given."""
    values = flatten(config)
    for key, text in map(split_assignment, assignments):
        if only and key not in only:
            raise ConfigError(
                f"{plain(key, 80)} cannot be changed for an existing run.",
                f"These settings can: {', '.join(only)}.",
                key=key,
            )
        values[key] = parse_value(key, text)
    return build_config(values)


def split_assignment(assignment: str) -> tuple[str, str]:
    """Split `KEY=VALUE` into key and value text. Raise ConfigError if the equals sign is missing."""
    key, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError(f"{plain(assignment, 80)!r} is not KEY=VALUE.", "Write it like optimizer.lr=0.01", key=key)
    return key.strip(), text.strip()


def changed_settings(config: Config, base: Config | None = None) -> dict[str, Any]:
    """Return the values, by dotted key, in which `config` differs from `base`. None: from the defaults."""
    reference = flatten(base or Config())
    return {key: value for key, value in flatten(config).items() if value != reference[key]}
