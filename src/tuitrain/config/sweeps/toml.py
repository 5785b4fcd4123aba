"""Sweeps in TOML: the file of a run with a section [sweep] about what varies."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.formatting import format_for_message
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Choices, Range, Sweep, Values, sweep_settings
from tuitrain.config.sweeps.validation import build_options, check_sweep
from tuitrain.config.toml import config_from_tree, parse, read_text
from tuitrain.config.toml import dumps as dump_config
from tuitrain.config.validation import check_value, find_setting
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError
from tuitrain.text import plain


def loads(text: str, source: str = "the TOML") -> Sweep:
    """Raises ConfigError."""
    tree = parse(text, source)
    section = tree.pop("sweep", {})
    if not isinstance(section, dict):
        raise ConfigError(f"sweep = {format_for_message(section)} in {plain(source)} must be a section, [sweep].")
    values, extra = section.pop("values", {}), section.pop("extra", [])
    if not isinstance(values, dict):
        raise ConfigError("sweep.values must be a section, [sweep.values].")
    if not isinstance(extra, list) or not all(isinstance(one, dict) for one in extra):
        raise ConfigError("sweep.extra must be sections, each [[sweep.extra]].")
    added = _added(section.pop("added", {}))
    return check_sweep(
        Sweep(
            base=config_from_tree(tree, source),
            options=build_options(section),
            values={key: _choices(key, given) for key, given in _dotted(values)},
            extra=tuple(map(_trial, extra)),
            added=added,
        )
    )


def read(path: Path) -> tuple[Sweep, str]:
    """The sweep in the file and the file's text. Raises ConfigError."""
    text = read_text(path)
    return loads(text, str(path)), text


def dumps(sweep: Sweep, original: str = "") -> str:
    """`sweep` as TOML; `original`, where it says just that, stays as it is, else at least its comments on settings."""
    import tomlkit

    if original and loads(original) == sweep:
        return original
    document = tomlkit.parse(original)
    document.pop("sweep", None)
    section = tomlkit.table()
    for name, value in msgspec.to_builtins(sweep.options).items():
        section[name] = _storable(value)
    values = tomlkit.table()
    for key, choices in sweep.values.items():
        values[key] = _range(choices) if isinstance(choices, Range) else [_storable(value) for value in choices]
    section["values"] = values
    if sweep.extra:
        section["extra"] = tomlkit.aot()
        for one in sweep.extra:
            section["extra"].append(tomlkit.item({key: _storable(value) for key, value in one.items()}))
    text = dump_config(sweep.base, tomlkit.dumps(document))
    return f"{text.rstrip()}\n\n{tomlkit.dumps(tomlkit.document().add('sweep', section))}"


def amend(text: str, changes: Mapping[str, object], added: Mapping[int, Values]) -> str:
    """A sweep's TOML with other options and more trials, its comments kept. Raises ConfigError where they are not
    allowed."""
    import tomlkit

    document = tomlkit.parse(text)
    section: Any = document.setdefault("sweep", tomlkit.table())
    for name, value in changes.items():
        section[name] = _storable(check_value(sweep_settings()[f"sweep.{name}"], value))
    for number, values in added.items():
        trial = tomlkit.inline_table()
        trial.update({key: _storable(value) for key, value in values.items()})
        section.setdefault("added", tomlkit.table())[str(number)] = trial
    amended = tomlkit.dumps(document)
    loads(amended)
    return amended


def _trial(given: Mapping[str, Any]) -> Values:
    return {key: check_value(key, value) for key, value in _dotted(given)}


def _added(given: object) -> dict[int, Values]:
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        raise ConfigError("sweep.added must be a section of trials, each NUMBER = {KEY = VALUE}.")
    if wrong := [number for number in given if not (number.isdecimal() and len(number) < 9)]:
        raise ConfigError(f"sweep.added: {plain(wrong[0], 40)} is no number of a trial.")
    return {int(number): _trial(one) for number, one in given.items()}


def _choices(key: str, given: object) -> Choices:
    wanted = find_setting(key)
    if isinstance(given, list) and given:
        return tuple(dict.fromkeys(check_value(key, value) for value in given))
    if isinstance(given, dict) and wanted.kind in (int, float) and not wanted.is_list:
        return _as_range(key, given)
    ranges = ", or a range {low = 1, high = 9}" if wanted.kind in (int, float) and not wanted.is_list else ""
    raise ConfigError(f"sweep.values: {key} = {format_for_message(given)} must be a list of values{ranges}.", key=key)


def _as_range(key: str, given: dict[str, object]) -> Range:
    try:
        found = msgspec.convert(given, Range)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"sweep.values: {key} is no range: {plain(error)}.", "Write {low = 0.001, high = 0.1, log = true}.", key=key
        ) from None
    whole = find_setting(key).kind is int
    for bound in (found.low, found.high):
        check_value(key, int(bound) if whole and bound.is_integer() else bound)
    if found.low >= found.high:
        raise ConfigError(f"sweep.values: {key} needs low < high, not {found.low:g} and {found.high:g}.", key=key)
    if found.log and found.low <= 0:
        raise ConfigError(f"sweep.values: {key} with log = true needs low > 0, not {found.low:g}.", key=key)
    return found


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`"optimizer.lr" = …` as it stands, and `optimizer.lr = …`, which TOML takes for tables in each other."""
    sections = {key.partition(".")[0] for key in flatten(Config())}
    for key, value in values.items():
        if key in sections and isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _range(choices: Range) -> dict[str, Any]:
    return {"low": choices.low, "high": choices.high, "log": choices.log}


def _storable(value: Any) -> Any:
    if value is None:
        return "none"
    return list(value) if isinstance(value, tuple) else value
