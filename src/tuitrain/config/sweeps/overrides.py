"""Sweeps from `KEY=VALUE` texts: several values, separated by commas, make a setting vary."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tuitrain.config.arguments import TABLE
from tuitrain.config.code import COMMAND
from tuitrain.config.formatting import format_for_message, format_value, quoted, split_texts
from tuitrain.config.settings import SEED, Setting
from tuitrain.config.sweeps.sweep import MAX_SEEDS, Sweep, Values
from tuitrain.config.sweeps.validation import build_options, check_sweep, find_option
from tuitrain.config.validation import find_setting
from tuitrain.config.values import override, parse_value, split_assignment
from tuitrain.errors import ConfigError
from tuitrain.text import plain


def override_sweep(sweep: Sweep, assignments: Iterable[str], extra: Iterable[Values] = ()) -> Sweep:
    """Return `sweep` with each `KEY=VALUE` applied and the `extra` trials appended. Raise ConfigError. A key may also
    be `sweep.OPTION`. A setting that is given several values varies; one value makes it constant. Several values of
    training.seed become the seeds of each trial."""
    base, options, varying = [], [], dict(sweep.values)
    for assignment in assignments:
        key, text = split_assignment(assignment)
        if key.startswith("sweep."):
            options.append(assignment)
            continue
        values = parse_values(key, text)
        if len(values) > 1:
            varying[key] = values
        elif len(_split_values(key, text)) > 1:
            value = format_for_message(values[0])
            raise ConfigError(f"{key} = {format_for_message(text)} is not allowed: it contains {value} twice.", key=key)
        else:
            base.append(assignment)
            varying.pop(key, None)
    return check_sweep(
        separate_seeds(
            Sweep(
                base=override(sweep.base, base),
                options=build_options(msgspec.to_builtins(sweep.options) | parse_option_overrides(options)),
                values=varying,
                extra=(*sweep.extra, *extra),
            )
        )
    )


def separate_seeds(sweep: Sweep) -> Sweep:
    """Return `sweep` with the values of training.seed as the seeds of each trial, so that they are averaged.
    Raise ConfigError if there are too many."""
    seeds = sweep.values.get(SEED)
    if not isinstance(seeds, tuple) or sweep.seeds > 1:
        return sweep
    if len(seeds) > MAX_SEEDS:
        raise ConfigError(f"{SEED} has {len(seeds):,} values; the limit is {MAX_SEEDS:,}.", key=SEED)
    replace, values = msgspec.structs.replace, {key: choice for key, choice in sweep.values.items() if key != SEED}
    if seeds != tuple(range(seeds[0], seeds[0] + len(seeds))):
        return replace(sweep, options=replace(sweep.options, seed_values=seeds), values=values)
    training = replace(sweep.base.training, seed=seeds[0])
    base, options = replace(sweep.base, training=training), replace(sweep.options, seeds=len(seeds))
    return replace(sweep, base=base, options=options, values=values)


def parse_option_overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Return the values of `sweep.OPTION=VALUE` assignments by option name. Raise ConfigError for any other key."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, text = split_assignment(assignment)
        if not key.startswith("sweep."):
            raise ConfigError(
                f"--set {plain(assignment, 80)} cannot change an existing sweep: its runs keep their settings.",
                "Add trials with --add KEY=VALUE, or change a sweep.KEY.",
            )
        name = key.removeprefix("sweep.")
        values[name] = parse_value(find_option(name), text)
    build_options(values)
    return values


def parse_trials(assignments: Iterable[str]) -> list[Values]:
    """Return one trial for each combination of the values in `KEY=VALUE[,VALUE]` assignments. Raise ConfigError."""
    return combinations(dict(map(split_assignment, assignments)))


def combinations(texts: Mapping[str, str]) -> list[Values]:
    """Return all combinations of the values that each key's text lists. Without keys, return one empty combination."""
    lists = [parse_values(key, text) for key, text in texts.items()]
    return [dict(zip(texts, choice, strict=True)) for choice in itertools.product(*lists)]


def split_assignments(text: str) -> list[str]:
    """Split `optimizer.lr=0.3, 0.1 training.epochs=20` into one assignment per key."""
    return re.split(r"\s+(?=[\w.]+\s*=)", text.strip())


def parse_values(key: str, text: str) -> tuple[Any, ...]:
    """Return the distinct values in `text`, separated by commas; the lists of a list setting stand in brackets, and
    text that contains a comma in quotes. A command is always one value. Raise ConfigError."""
    return tuple(dict.fromkeys(parse_value(key, part) for part in _split_values(key, text)))


def format_values(key: str, values: Iterable[object]) -> str:
    """Return the text that `parse_values` reads as `values`."""
    quotes = quoted if _is_text(find_setting(key)) else str
    return ",".join(quotes(format_value(value)) for value in values)


def _split_values(key: str, text: str) -> list[str]:
    """Split `text` at the commas between values."""
    setting, text = find_setting(key), text.strip()
    if _is_text(setting):
        return split_texts(text)
    without_bracket = (key == TABLE and text[:1] != "{") or (setting.is_list and text[:1] != "[")
    return [text] if key == COMMAND or without_bracket else _split_at_commas(text)


def _is_text(setting: Setting) -> bool:
    return setting.kind is str and not setting.is_list and setting.key not in (COMMAND, TABLE)


def _split_at_commas(text: str) -> list[str]:
    """Split `text` at the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        begins = depth > 0 or not parts[-1].strip()
        if character == quote or (character in "'\"" and not quote and begins):
            quote = "" if quote else character
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()] or [""]
