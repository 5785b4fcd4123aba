"""From text and plain values to a checked configuration, and back."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tuitrain.config.schema import Config
from tuitrain.config.settings import Setting, settings
from tuitrain.errors import ConfigError
from tuitrain.text import plain

_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint that names the word in `words` most like `word`, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else ""


def setting(key: str) -> Setting:
    """Raises ConfigError where there is no such setting."""
    found = settings().get(key)
    if found is None:
        hint = nearest(key, settings()) or _by_name(key)
        raise ConfigError(f"Unknown setting {plain(key, 80)!r}.", hint or "See: tuitrain config", key=key)
    return found


def _by_name(key: str) -> str:
    name = key.rpartition(".")[2]
    return nearest(name, [k.partition(".")[2] for k in settings()])


def _refuse(setting: Setting, value: object) -> ConfigError:
    words = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    wrong = [word for word in words if isinstance(word, str) and word not in setting.choices]
    hint = nearest(wrong[0], setting.choices) if wrong and setting.choices else ""
    return ConfigError(
        f"{setting.key} = {shown(value)} is not allowed: it must be {setting.allowed}.", hint, key=setting.key
    )


def shown(value: object) -> str:
    """`value`, whatever it is, for a message."""
    try:
        return plain(to_text(value), 80)
    except (ValueError, RecursionError):
        return f"({type(value).__name__} too large to show)"


def check(key: str, value: object) -> Any:
    """`value` as the setting's type; raises ConfigError with key, value and what is allowed."""
    return conform(setting(key), value)


def conform(wanted: Setting, value: object) -> Any:
    """As `check`, for a setting that need not be one of a run's."""
    if wanted.optional and (value is None or value in ("none", "")):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _refuse(wanted, value)
    if wanted.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _refuse(wanted, value)
    if isinstance(value, str) and value != plain(value, len(value)):
        raise _refuse(wanted, value)
    try:
        found = msgspec.convert(value, wanted.annotation, strict=True)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
        raise _refuse(wanted, value) from None
    # Where denormal numbers are flushed, as in a thread that trains, msgspec takes 0 for more than 0.
    if isinstance(found, float) and found == wanted.bounds.gt:
        raise _refuse(wanted, value)
    return found


def _parse_one(wanted: Setting, text: str) -> object:
    if wanted.kind is bool:
        return _TRUTH[text.lower()]
    return wanted.kind(text.strip("'\"") if wanted.kind is str else text.replace("_", ""))


def from_text(key: str, text: str) -> Any:
    """The value that `text`, from a form or `--set`, stands for; lists as `128, 256` or `[128, 256]`."""
    return parsed(setting(key), text)


def parsed(wanted: Setting, text: str) -> Any:
    """As `from_text`, for a setting that need not be one of a run's."""
    text = text.strip()
    if wanted.optional and text.lower() in ("none", ""):
        return None
    try:
        if wanted.many:
            parts = text.removeprefix("[").removesuffix("]").split(",")
            return conform(wanted, [_parse_one(wanted, part.strip()) for part in parts if part.strip()])
        return conform(wanted, _parse_one(wanted, text))
    except (ValueError, KeyError, OverflowError):
        raise _refuse(wanted, text) from None


def to_text(value: object) -> str:
    """`value` as `--set` and TOML write it, strings without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(to_text(item) for item in value) + "]"
    return str(value)


def build(values: Mapping[str, object]) -> Config:
    """A configuration from dotted keys; what is not named has its default. Raises ConfigError."""
    checked = {key: check(key, value) for key, value in values.items()}
    tree: dict[str, dict[str, object]] = {}
    for key, value in checked.items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    # Values are checked already, each against its own declaration.
    config = msgspec.convert(tree, Config)
    _check_together(config)
    return config


def flat(config: Config) -> dict[str, Any]:
    """All values by dotted key, in the order of the table."""
    return {key: getattr(getattr(config, item.section), key.partition(".")[2]) for key, item in settings().items()}


def override(config: Config, assignments: Iterable[str]) -> Config:
    """`config` with each `KEY=VALUE` applied, the later ones winning."""
    values = flat(config)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"{plain(assignment, 80)!r} is not KEY=VALUE.",
                "Write it like --set optimizer.lr=0.01",
                key=key,
            )
        values[key.strip()] = from_text(key.strip(), text)
    return build(values)


def changed(config: Config, base: Config | None = None) -> dict[str, Any]:
    """The settings in which `config` differs from `base`, or from the defaults."""
    reference = flat(base or Config())
    return {key: value for key, value in flat(config).items() if value != reference[key]}


def _check_together(config: Config) -> None:
    """What no single declaration can say."""
    if config.optimizer.nesterov and config.optimizer.momentum == 0:
        raise ConfigError(
            "optimizer.nesterov = true needs a momentum above 0.",
            "Set optimizer.momentum, 0.9 for example.",
            key="optimizer.nesterov",
        )
    if config.data.dataset == "image-folder" and config.data.dir is None:
        raise ConfigError("data.dir = none: image-folder needs the folder of your images.", key="data.dir")
    if config.data.validation == 0 and config.training.patience is not None:
        raise ConfigError(
            "training.patience needs a validation split, and data.validation = 0.",
            "Set data.validation, 0.1 for example.",
            key="training.patience",
        )
    if config.data.validation == 0 and config.schedule.name == "plateau":
        raise ConfigError(
            "schedule.name = plateau needs a validation split, and data.validation = 0.",
            "Set data.validation, 0.1 for example.",
            key="schedule.name",
        )
