"""Which columns a table of runs shows, and in which order its runs stand."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from tuitrain.analysis.table.columns import Column, column, columns
from tuitrain.config.settings import settings
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain

# What is studied first, for tables with no room for all settings that differ.
STUDIED = (
    "optimizer.name", "optimizer.lr", "model.activation", "schedule.name", "data.dataset", "model.name",
    "model.hidden", "training.epochs", "data.batch_size", "optimizer.momentum", "optimizer.weight_decay",
    "model.dropout", "training.seed",
)  # fmt: skip
# A column that says more than the setting itself.
STANDS_FOR = {"model.hidden": "model.name", "training.epochs": "epoch"}
USUAL = ("optimizer.name", "optimizer.lr", "model.activation", "epoch", "data.dataset", "model.name")
# Long, and not what is studied.
PATHS = ("data.dir", "data.transform")
FEW = 3


def ordered(entries: Iterable[Entry], by: Column, falling: bool) -> list[Entry]:
    """Runs without a value come last either way; equal ones stay in their order."""
    found, without = [], []
    for entry in entries:
        value = by.value(entry)
        if value is None:
            without.append(entry)
        else:
            found.append((_rank(value), entry))
    found.sort(key=lambda pair: pair[0], reverse=falling)
    return [entry for _, entry in found] + without


def _rank(value: Any) -> tuple[int, Any]:
    return (1, value.casefold()) if isinstance(value, str) else (0, value)


def sort_order(text: str) -> tuple[Column, bool]:
    """What `test`, `-test`, `test:desc` or `lr:asc` sorts by, and whether the largest comes first; where it does not
    say, accuracies fall. Raises ConfigError."""
    name, colon, word = text.removeprefix("-").partition(":")
    if colon and (word not in ("asc", "desc") or text.startswith("-")):
        raise ConfigError(f"{plain(text, 40)!r} is no order.", "Write test, -test, test:desc or lr:asc.")
    by = column(name)
    return by, word == "desc" if colon else text.startswith("-") or by.falling


def differing(entries: Sequence[Entry]) -> list[str]:
    """The keys of the settings in which the runs are not all alike; damaged runs do not count, nor what other tools do
    not say."""
    whole = [entry for entry in entries if entry.status != "damaged"]
    configs = list({id(entry.config): entry.config for entry in whole if not entry.folder.read_only}.values())
    foreign = [entry for entry in whole if entry.folder.read_only]
    changes = [entry.changes for entry in whole]
    steered = {key for each in changes for key in each}
    found = []
    for key, item in settings().items():
        name = key.partition(".")[2]
        values = chain(
            (getattr(getattr(config, item.section), name) for config in configs),
            (value for entry in foreign if (value := entry.setting(key)) is not None),
        )
        first = next(values, None)
        if any(value != first for value in values) or (key in steered and len({each.get(key) for each in changes}) > 1):
            found.append(key)
    return found


def automatic(entries: Sequence[Entry]) -> list[str]:
    """The keys of the columns for a user who chose none, those most worth their room first: the settings that differ,
    and the results; for one or two runs, and where nothing else than a path differs, the usual settings too."""
    apart = differing(entries)
    paths = [key for key in apart if key in PATHS]
    apart = [key for key in apart if key not in PATHS]
    apart.sort(key=lambda key: STUDIED.index(key) if key in STUDIED else len(STUDIED))
    keys = [STANDS_FOR.get(key, key) for key in apart]
    usual = USUAL if len(entries) < FEW or not apart else ()
    tests = judged_by(entries)
    # The validation split steers, also a run that goes on.
    score, *scores = ("best", *tests) if "best-test" in tests else (*tests, "best")
    first = (score, *keys[:3], *scores, *keys[3:6], *usual, "time")
    return list(dict.fromkeys(("status", *first, *keys[6:], *paths)))


def judged_by(entries: Iterable[Entry]) -> list[str]:
    """The keys of the columns for the test split: with the weights of the best validation, and with the last ones where
    a run has no others; damaged runs do not count."""
    validated = {bool(entry.setting("data.validation")) for entry in entries if entry.status != "damaged"} or {True}
    return [key for key, shown in (("best-test", True in validated), ("test", False in validated)) if shown]


def in_order(keys: Iterable[str]) -> list[str]:
    """As they stand in a table: the status, settings as they are declared, results."""
    results = ("epoch", "best", "best-test", "val", "test")
    order = list(dict.fromkeys(("status", "tags", *settings(), *results, *columns())))
    return sorted(keys, key=order.index)
