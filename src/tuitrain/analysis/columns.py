"""What a run can be listed, sorted and filtered by: its identity, its results, and every setting."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from tuitrain.analysis import summary, units
from tuitrain.config.settings import Setting, settings
from tuitrain.config.values import nearest, to_text
from tuitrain.errors import ConfigError
from tuitrain.runs.listing import Entry
from tuitrain.runs.records import Score, ShownStatus
from tuitrain.text import plain

Kind = Literal["text", "list", "number", "fraction", "duration"]


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names it for good, `names` are the shorter words for it, the best first; `value` is None where the run has
    none; `choices` are all values that there are, or empty. Sorted `falling`, the best comes first."""

    key: str
    names: tuple[str, ...]
    title: str
    help: str
    kind: Kind
    value: Callable[[Entry], Any]
    show: Callable[[Entry], str]
    falling: bool = False
    choices: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether its cells stand under each other by their last digits."""
        return self.kind not in ("text", "list")

    def text(self, entry: Entry) -> str:
        """The cell: one line, safe to show."""
        return plain(self.show(entry), 60)


TITLES = {
    "data.dataset": "data",
    "data.batch_size": "batch",
    "model.activation": "act",
    "optimizer.name": "opt",
    "optimizer.weight_decay": "decay",
    "training.epochs": "planned",
}
# The settings that are studied first, for tables with no room for all that differ.
STUDIED = (
    "optimizer.name", "optimizer.lr", "model.activation", "schedule.name", "data.dataset", "model.name",
    "training.epochs", "data.batch_size", "optimizer.momentum", "optimizer.weight_decay", "model.dropout",
    "training.seed",
)  # fmt: skip
# What is shown in the place of a setting, where a table chooses its columns itself.
STANDS_FOR = {"model.hidden": "model.name", "training.epochs": "epoch"}
USUAL = ("data.dataset", "model.name", "optimizer.name", "model.activation", "optimizer.lr", "epoch")
RESULTS = ("best", "test", "time")


@cache
def columns() -> dict[str, Column]:
    """All columns by key: who the run is, its results, its settings."""
    found = [*_identity(), *_scores(), *_costs()]
    taken = {name for column in found for name in column.names}
    leaves = [key.partition(".")[2] for key in settings()]
    for item in settings().values():
        leaf = item.key.partition(".")[2]
        short = item.section if leaf == "name" else leaf if leaves.count(leaf) == 1 else ""
        names = dict.fromkeys(name for name in (short, TITLES.get(item.key, "")) if name and name not in taken)
        taken |= set(names)
        found.append(_setting(item, (*names, item.key)))
    return {column.key: column for column in found}


def column(name: str) -> Column:
    """The column that is called so. Raises ConfigError where none is."""
    wanted = name.lower().replace("_", "-")
    found = _by_name().get(wanted)
    if found is not None:
        return found
    fitting = [key for key in settings() if key.partition(".")[2].replace("_", "-") == wanted]
    if fitting:
        raise ConfigError(f"{plain(name, 40)!r} may be {' or '.join(fitting)}.", "Write the whole name.")
    hint = nearest(wanted, _by_name()) or "Columns are test, best, time, status, tag …, and all settings."
    raise ConfigError(f"There is no column {plain(name, 40)!r}.", hint)


@cache
def _by_name() -> dict[str, Column]:
    return {name.lower().replace("_", "-"): one for one in columns().values() for name in (*one.names, one.key)}


def ordered(entries: Iterable[Entry], by: Column, falling: bool) -> list[Entry]:
    """Runs that have no value come last either way; equal ones stay in their order."""
    keyed = [(_rank(value), entry) for entry in entries if (value := by.value(entry)) is not None]
    keyed.sort(key=lambda pair: pair[0], reverse=falling)
    return [entry for _, entry in keyed] + [entry for entry in entries if by.value(entry) is None]


def sort_order(text: str) -> tuple[Column, bool]:
    """What `test`, `-test`, `test:desc` or `lr:asc` sorts by, and whether falling; without a word the best comes
    first. Raises ConfigError."""
    minus, rest = text.startswith("-"), text.removeprefix("-")
    name, colon, word = rest.partition(":")
    if colon and word not in ("asc", "desc"):
        raise ConfigError(f"{plain(text, 40)!r} does not sort: {plain(word, 20)!r} must be asc or desc.")
    found = column(name)
    if colon:
        return found, word == "desc"
    return found, minus or found.falling


def differing(entries: Sequence[Entry]) -> list[str]:
    """The keys of the settings in which the runs are not all alike; damaged runs do not count."""
    configs = list({id(entry.config): entry.config for entry in entries if entry.status != "damaged"}.values())
    found = []
    for item in settings().values():
        name = item.key.partition(".")[2]
        values = iter([getattr(getattr(config, item.section), name) for config in configs])
        first = next(values, None)
        if any(value != first for value in values):
            found.append(item.key)
    return found


def automatic(entries: Sequence[Entry]) -> list[str]:
    """The columns for a table whose user chose none, the ones most worth their room first: settings that differ, and
    results; for one or two runs, or where nothing differs, the usual settings too."""
    apart = differing(entries)
    apart.sort(key=lambda key: STUDIED.index(key) if key in STUDIED else len(STUDIED))
    shown = [STANDS_FOR.get(key, key) for key in apart]
    few = USUAL if len(entries) < FEW or not apart else ()
    return list(dict.fromkeys(("status", "test", *shown[:3], "best", *shown[3:], *few, "time")))


def in_order(keys: Iterable[str]) -> list[str]:
    """As a table shows them: status, settings as they are declared, results."""
    wanted = set(keys)
    first = ("status", *settings(), *(key for key in columns() if key not in ("status", *settings())))
    return [key for key in first if key in wanted]


def _rank(value: Any) -> tuple[int, Any]:
    """Sorts values of one column, whatever they are, numbers first."""
    if isinstance(value, str):
        return 1, value.casefold()
    return (2, value) if isinstance(value, tuple) else (0, value)


def _identity() -> list[Column]:
    def text(key: str, names: tuple[str, ...], help: str, value: Callable[[Entry], Any], **more: Any) -> Column:
        return Column(key, names, more.pop("title", key), help, "text", value, lambda run: str(value(run) or ""), **more)

    return [
        text("run", ("name",), "the run's name", lambda run: run.info.name or None),
        text("id", (), "the folder's name", lambda run: run.folder.id),
        Column("status", (), "status", "how it goes, or how it ended", "text", lambda run: run.status, summary.status,
               choices=get_args(ShownStatus)),
        text("tags", ("tag",), "your tags", lambda run: " ".join(run.info.tags) or None),
        text("notes", ("note",), "your notes", lambda run: run.info.notes or None),
        Column("age", (), "age", "since the run was made", "duration", _age, lambda run: units.ago(run.info.created or None)),
        text("host", (), "the machine that it was made on", lambda run: run.info.host or None),
        text("device", (), "the device that it used", lambda run: run.info.device or None),
    ]  # fmt: skip


def _age(run: Entry) -> float | None:
    return time.time() - run.info.created if run.info.created else None


def _scores() -> list[Column]:
    """Accuracies and losses of the last epoch, and of the best one by validation loss."""
    scores: tuple[tuple[str, str, str, Callable[[Entry], Score | None]], ...] = (
        ("best", "best val", "validation, best epoch", lambda run: run.state.best and run.state.best.validation),
        ("val", "last val", "validation, last epoch", lambda run: run.state.validation),
        ("test", "test", "test split, last epoch", lambda run: run.state.test),
        ("best-test", "best test", "test split, best epoch", lambda run: run.state.best and run.state.best.test),
        ("train", "train", "training split, last epoch", lambda run: run.state.train),
    )
    return [
        column
        for key, title, what, score in scores
        for column in (
            _result(key, title, f"accuracy on the {what}", "fraction", _accuracy(score), units.percent, falling=True),
            _result(f"{key}-loss", f"{title.replace(' val', '')} {'val ' * ('val' in title)}loss".replace("  ", " "), f"loss on the {what}", "number", _loss(score), units.loss),
        )
    ]
