"""Read and write sweeps as TOML: a run configuration with a section [sweep]."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.arguments import TABLE
from tuitrain.config.formatting import format_for_message
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Choices, Range, Sweep, Values, sweep_settings
from tuitrain.config.sweeps.validation import build_options, check_sweep
from tuitrain.config.toml import add_former_defaults, config_from_tree, parse, read_text, to_toml_value
from tuitrain.config.toml import dumps as dump_config
from tuitrain.config.validation import check_value, find_setting
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError
from tuitrain.text import plain


def loads(text: str, source: str = "the TOML", *, stored: bool = False) -> Sweep:
    """Return the sweep in `text`. Raise ConfigError, which names `source` if the TOML is invalid. A `stored` sweep
    comes from a sweep folder, which an older version may have written."""
    tree = parse(text, source)
    section = tree.pop("sweep", {})
    if not isinstance(section, dict):
        raise ConfigError(f"sweep = {format_for_message(section)} in {plain(source)} must be a section, [sweep].")
    values, extra = section.pop("values", {}), section.pop("extra", [])
    if not isinstance(values, dict):
        raise ConfigError("sweep.values must be a section, [sweep.values].")
    if not isinstance(extra, list) or not all(isinstance(trial, dict) for trial in extra):
        raise ConfigError("sweep.extra must be an array of tables, each [[sweep.extra]].")
    added = _read_added(section.pop("added", {}))
    return check_sweep(
        Sweep(
            base=config_from_tree(add_former_defaults(tree) if stored else tree, source),
            options=build_options(section),
            values={key: _read_choices(key, entry) for key, entry in _by_dotted_key(values)},
            extra=tuple(map(_read_trial, extra)),
            added=added,
        )
    )


def read(path: Path) -> tuple[Sweep, str]:
    """Return the sweep in the file, and the text of the file. Raise ConfigError."""
    text = read_text(path)
    return loads(text, str(path)), text


def dumps(sweep: Sweep, original: str = "") -> str:
    """Return TOML of `sweep`: `original` itself if it already describes `sweep`, otherwise with its comments."""
    import tomlkit

    if original and loads(original) == sweep:
        return original
    document = tomlkit.parse(original)
    document.pop("sweep", None)
    section = tomlkit.table()
    for name, value in msgspec.to_builtins(sweep.options).items():
        section[name] = to_toml_value(value)
    values = tomlkit.table()
    for key, choices in sweep.values.items():
        values[key] = (
            msgspec.to_builtins(choices) if isinstance(choices, Range) else [to_toml_value(value) for value in choices]
        )
    section["values"] = values
    if sweep.extra:
        section["extra"] = tomlkit.aot()
        for trial in sweep.extra:
            section["extra"].append(tomlkit.item({key: to_toml_value(value) for key, value in trial.items()}))
    text = dump_config(sweep.base, tomlkit.dumps(document))
    return f"{text.rstrip()}\n\n{tomlkit.dumps(tomlkit.document().add('sweep', section))}"


def amend(text: str, changes: Mapping[str, object], added: Mapping[int, Values]) -> str:
    """Return a sweep's TOML with `changes` of its options and `added` trials; comments stay. Raise ConfigError if the
    amended sweep is invalid."""
    import tomlkit

    document = tomlkit.parse(text)
    section: Any = document.setdefault("sweep", tomlkit.table())
    for name, value in changes.items():
        section[name] = to_toml_value(check_value(sweep_settings()[f"sweep.{name}"], value))
    for number, values in added.items():
        trial = tomlkit.inline_table()
        trial.update({key: to_toml_value(value) for key, value in values.items()})
        section.setdefault("added", tomlkit.table())[str(number)] = trial
    amended = tomlkit.dumps(document)
    loads(amended)
    return amended


def _read_trial(table: Mapping[str, Any]) -> Values:
    return {key: check_value(key, value) for key, value in _by_dotted_key(table)}


def _read_added(table: object) -> dict[int, Values]:
    if not isinstance(table, dict) or not all(isinstance(trial, dict) for trial in table.values()):
        raise ConfigError("sweep.added must be a section of trials, each NUMBER = {KEY = VALUE}.")
    if invalid := [number for number in table if not (number.isdecimal() and len(number) < 9)]:
        raise ConfigError(f"sweep.added: {plain(invalid[0], 40)} is not a trial number.")
    return {int(number): _read_trial(trial) for number, trial in table.items()}


def _read_choices(key: str, entry: object) -> Choices:
    setting = find_setting(key)
    if isinstance(entry, list) and entry:
        return tuple(dict.fromkeys(check_value(setting, value) for value in entry))
    is_number = setting.kind in (int, float, object) and not setting.is_list
    if isinstance(entry, dict) and is_number:
        return _read_range(key, entry)
    or_range = ", or a range {low = 1, high = 9}" if is_number else ""
    raise ConfigError(f"sweep.values: {key} = {format_for_message(entry)} must be a list of values{or_range}.", key=key)


def _read_range(key: str, table: dict[str, object]) -> Range:
    try:
        limits = msgspec.convert(table, Range)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"sweep.values: {key} is not a valid range: {plain(error)}.",
            "Write {low = 0.001, high = 0.1, log = true}.",
            key=key,
        ) from None
    setting = find_setting(key)
    for bound in (limits.low, limits.high):
        check_value(setting, int(bound) if setting.kind is int and float(bound).is_integer() else bound)
    if limits.low >= limits.high:
        raise ConfigError(f"sweep.values: {key} needs low < high, not {limits.low:g} and {limits.high:g}.", key=key)
    if limits.log and limits.low <= 0:
        raise ConfigError(f"sweep.values: {key} with log = true needs low > 0, not {limits.low:g}.", key=key)
    return limits


def _by_dotted_key(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values; TOML parses an unquoted `optimizer.lr = …` as a table `lr` in `optimizer`."""
    sections = {key.partition(".")[0] for key in flatten(Config())}
    for key, value in values.items():
        if key in sections and isinstance(value, dict):
            yield from _by_dotted_key({f"{key}.{name}": entry for name, entry in value.items()})
        elif key == TABLE and isinstance(value, dict):
            yield from ((f"{key}.{name}", entry) for name, entry in value.items())
        else:
            yield key, value
