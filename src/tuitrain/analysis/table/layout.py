"""Choose the columns of the runs table and sort its rows."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from tuitrain.analysis.table.columns import Column, column, columns
from tuitrain.config.conditions import CONDITIONS, unused
from tuitrain.config.settings import settings
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain

# Settings in order of interest, for tables without room for all that differ.
PRIORITY = (
    "optimizer.name", "optimizer.lr", "model.activation", "schedule.name", "data.dataset", "model.name",
    "model.hidden", "training.epochs", "data.batch_size", "optimizer.momentum", "optimizer.weight_decay",
    "model.dropout", "training.seed",
)  # fmt: skip
# Columns that show more than the setting itself.
REPLACED_BY = {"model.hidden": "model.name", "training.epochs": "epoch"}
DEFAULT_SETTINGS = ("optimizer.name", "optimizer.lr", "model.activation", "epoch", "data.dataset", "model.name")
# Paths are long, and rarely of interest.
PATHS = ("data.dir", "data.labels", "data.exclude", "data.transform")
FEW = 3


def sort_entries(entries: Iterable[Entry], by: Column, falling: bool) -> list[Entry]:
    """Sort stably; entries without a value come last in both directions."""
    values = [(by.value(entry), entry) for entry in entries]
    known = [pair for pair in values if pair[0] is not None]
    known.sort(key=lambda pair: _rank(pair[0]), reverse=falling)
    return [entry for _, entry in known] + [entry for value, entry in values if value is None]


def _rank(value: Any) -> tuple[int, Any]:
    return (1, value.casefold()) if isinstance(value, str) else (0, value)


def parse_sort(text: str) -> tuple[Column, bool]:
    """Parse `test`, `-test`, `test:desc` or `lr:asc` into a column and whether the order is descending. Without a
    direction, accuracies are descending and everything else ascending. Raises ConfigError."""
    name, colon, word = text.removeprefix("-").partition(":")
    if colon and (word not in ("asc", "desc") or text.startswith("-")):
        raise ConfigError(f"{plain(text, 40)!r} is not a sort order.", "Write test, -test, test:desc or lr:asc.")
    by = column(name)
    return by, word == "desc" if colon else text.startswith("-") or by.falling


def differing_settings(entries: Sequence[Entry]) -> list[str]:
    """Return the keys of the settings that differ between the runs that use them, without damaged runs."""
    intact = [entry for entry in entries if entry.status != "damaged"]
    configs = list({id(entry.config): entry.config for entry in intact if not entry.folder.read_only}.values())
    external = [entry for entry in intact if entry.folder.read_only]
    changes = [entry.changes for entry in intact]
    changed_keys = {key for change in changes for key in change}
    differing = []
    for key, item in settings().items():
        name = key.partition(".")[2]
        using = [config for config in configs if key not in unused(config)] if key in CONDITIONS else configs
        values = chain(
            (getattr(getattr(config, item.section), name) for config in using),
            (value for entry in external if (value := entry.setting(key)) is not None),
        )
        first = next(values, None)
        changed = key in changed_keys and len({change.get(key) for change in changes}) > 1
        if any(value != first for value in values) or changed:
            differing.append(key)
    return differing


def priority(key: str) -> int:
    """Rank the key of a setting by interest, the most interesting lowest."""
    return PRIORITY.index(key) if key in PRIORITY else len(PRIORITY)


def default_columns(entries: Sequence[Entry]) -> list[str]:
    """Return the keys of the default columns, the most important first: settings that differ, and scores. One or two
    runs, or runs that differ only in a path, also get the common settings."""
    differing = differing_settings(entries)
    paths = [key for key in differing if key in PATHS]
    differing = [key for key in differing if key not in PATHS]
    differing.sort(key=priority)
    keys = [REPLACED_BY.get(key, key) for key in differing]
    defaults = _used(DEFAULT_SETTINGS, entries) if len(entries) < FEW or not differing else []
    tests = columns_for_test_split(entries)
    # The best validation score comes first: running runs have one, too.
    score, *scores = ("best", *tests) if "best-test" in tests else (*tests, "best")
    first = (score, "time", *keys[:3], *scores, *keys[3:6], *defaults)
    return list(dict.fromkeys(("status", *first, *keys[6:], *paths)))


def _used(keys: Iterable[str], entries: Sequence[Entry]) -> list[str]:
    """Return the keys without settings that no run uses."""
    used = {key for entry in entries for key in keys if key not in unused(entry.config)}
    return [key for key in keys if key in used or not entries]


def columns_for_test_split(entries: Iterable[Entry]) -> list[str]:
    """Return the keys of the test columns: of the best weights, and of the last ones for runs without validation."""
    validated = {
        bool(entry.setting("data.validation") or entry.setting("data.fold"))
        for entry in entries
        if entry.status != "damaged"
    } or {True}
    return [key for key, needed in (("best-test", True in validated), ("test", False in validated)) if needed]


def table_order(keys: Iterable[str]) -> list[str]:
    """Sort column keys for display: status, settings in the order of their declaration, scores."""
    results = ("epoch", "best", "best-test", "val", "test")
    order = list(dict.fromkeys(("status", "tags", *settings(), *results, *columns())))
    return sorted(keys, key=order.index)
