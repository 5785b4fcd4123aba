"""Parse and check the table [model.args], the keyword arguments of the user's network.

The value of `model.args` is the text of a TOML inline table, `{depth = 2, width = 64}`, with sorted names, so that
configurations stay hashable and comparable. `model.args.NAME` stands for one of its entries.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from typing import Any

from tuitrain.config.formatting import format_for_message
from tuitrain.errors import ConfigError
from tuitrain.text import plain

TABLE = "model.args"
PREFIX = f"{TABLE}."
# Arguments that tuitrain computes from the data.
RESERVED = ("classes", "channels", "image_size")
ALLOWED = "true or false, a number, text, or a list of them"
ALLOWED_TABLE = f"a table of names, each with {ALLOWED}"

Argument = bool | int | float | str | tuple["bool | int | float | str", ...]


def is_argument(key: str) -> bool:
    """Return whether `key` is that of one argument, `model.args.NAME`."""
    return key.startswith(PREFIX)


def arguments(table: str) -> dict[str, Any]:
    """Return the arguments in a table from `check_table`, as Python values."""
    found: dict[str, Any] = tomllib.loads(f"table = {table}")["table"]
    return found


def parse_table(text: str) -> str:
    """Parse `text`, with or without braces, as a table. Raise ConfigError."""
    text = text.strip()
    text = text if text.startswith("{") else f"{{{text}}}"
    try:
        return check_table(tomllib.loads(f"table = {text}").get("table"))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise _refused(TABLE, text, ALLOWED_TABLE) from None


def check_table(value: object) -> str:
    """Return the text of a table, given as a mapping or as text. Raise ConfigError."""
    if isinstance(value, str):
        return parse_table(value)
    if not isinstance(value, Mapping):
        raise _refused(TABLE, value, ALLOWED_TABLE)
    checked = {name: check_argument(f"{PREFIX}{name}", item) for name, item in value.items()}
    return "{" + ", ".join(f"{name} = {_toml(checked[name])}" for name in sorted(checked)) + "}"


def parse_argument(key: str, text: str) -> Argument:
    """Parse the `text` of `model.args.NAME` from a form or `--set` as TOML, or else as text. Raise ConfigError."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return check_argument(key, text.lower() == "true")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        # Text that looks like a list or several values is probably not meant as text.
        if not text or set(text) & set("[]{},\"'"):
            raise _refused(key, text, f"{ALLOWED}, such as [1, 2]; write other text in quotes") from None
        value = _number(text)
    return check_argument(key, value)


def _number(text: str) -> float | str:
    try:
        return float(text)  # Python also reads .5 and 1e3 as numbers.
    except ValueError:
        return text


def check_argument(key: str, value: object) -> Argument:
    """Return the value of `model.args.NAME`, with a list as a tuple. Raise ConfigError."""
    name = key.removeprefix(PREFIX)
    if not name.isidentifier() or name in RESERVED:
        reason = "the network gets it from the data" if name in RESERVED else "it is not the name of an argument"
        raise ConfigError(f"{plain(key, 80)} cannot be set: {reason}.", "Choose another name.", key=TABLE)
    values: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(map(_is_scalar, values)):
        raise _refused(key, value, ALLOWED)
    return tuple(values) if isinstance(value, (list, tuple)) else values[0]


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return value == plain(value, len(value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < 2**63


def with_argument(table: str, key: str, value: object) -> str:
    """Return the table with the value of `model.args.NAME` set."""
    return check_table({**arguments(table), key.removeprefix(PREFIX): value})


def _toml(value: Argument) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _refused(key: str, value: object, allowed: str) -> ConfigError:
    message = f"{plain(key, 80)} = {format_for_message(value)} is not allowed: it must be {allowed}."
    return ConfigError(message, key=TABLE)
