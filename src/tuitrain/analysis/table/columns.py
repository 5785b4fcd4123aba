"""What a run can be listed, sorted and filtered by: who it is, its results, every setting."""

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal, get_args

from msgspec import Struct

from tuitrain.analysis import summary, units
from tuitrain.analysis.table.group_rows import Bundle
from tuitrain.analysis.table.groups import SEED, spread
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import Setting, settings
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Score, ShownStatus
from tuitrain.text import did_you_mean, plain

Kind = Literal["text", "list", "number", "fraction", "duration"]
LONGEST = 60


class Column(Struct, frozen=True):
    """`names` are all words for it, the shortest first; `value` is None where the run has none; `choices` are all
    values that there can be, or empty. `falling`: where it is sorted by, the largest comes first."""

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
        shown = self.show(entry)
        if isinstance(entry, Bundle):
            shown = self._of_all(entry, shown)
        return plain(shown, LONGEST)

    def _of_all(self, bundle: Bundle, mean: str) -> str:
        """A score with its standard deviation, a seed with the others."""
        if self.key == SEED:
            return ", ".join(map(str, sorted({self.value(run) for run in bundle.runs})))
        if self.kind != "fraction" and not self.key.endswith("-loss"):
            return mean
        found = spread(self.value(run) for run in bundle.runs)
        if found is None or found.sd is None:
            return mean
        return f"{mean} ± {100 * found.sd:.2f}" if self.kind == "fraction" else f"{mean} ± {units.loss(found.sd)}"


TITLES = {
    "data.dataset": "data",
    "data.batch_size": "batch",
    "model.activation": "act",
    "optimizer.name": "opt",
    "optimizer.weight_decay": "decay",
    "training.epochs": "planned",
}


@cache
def columns() -> dict[str, Column]:
    """All columns by key."""
    found = [*_identity(), *_scores(), *_costs()]
    taken = {name for column in found for name in column.names}
    leaves = [key.partition(".")[2] for key in settings()]
    for item in settings().values():
        leaf = item.key.partition(".")[2]
        short = item.section if leaf == "name" else leaf if leaves.count(leaf) == 1 else ""
        names = [name for name in dict.fromkeys((short, TITLES.get(item.key, ""))) if name and name not in taken]
        found.append(_setting(item, (*names, item.key)))
    return {column.key: column for column in found}


def column(name: str) -> Column:
    """The column that is called so. Raises ConfigError where none is."""
    wanted = _spelled(name)
    if wanted in _by_name():
        return _by_name()[wanted]
    if fitting := [key for key in settings() if _spelled(key.partition(".")[2]) == wanted]:
        raise ConfigError(f"{plain(name, 40)!r} may be {' or '.join(fitting)}.", "Write the whole name.", key=name)
    hint = did_you_mean(wanted, _by_name()) or "There are test, best, time, status, tag … and all settings."
    raise ConfigError(f"There is no column {plain(name, 40)!r}.", hint, key=name)


@cache
def _by_name() -> dict[str, Column]:
    return {_spelled(name): column for column in columns().values() for name in column.names}


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-")


def _identity() -> Iterator[Column]:
    def words(names: str, help: str, value: Callable[[Entry], str]) -> Column:
        key, *more = names.split()
        return Column(key, (*more, key), key, help, "text", lambda run: value(run) or None, value)

    yield words("run name", "the run's name", lambda run: run.info.name)
    yield Column("status", ("status",), "status", "how it goes, or how it ended", "text", lambda run: run.status,
                 summary.status, choices=get_args(ShownStatus))  # fmt: skip
    yield words("tags tag", "your tags", lambda run: " ".join(run.info.tags))
    yield words("notes note", "your notes", lambda run: run.info.notes)
    yield words("id", "the name of its folder", lambda run: run.folder.id)
    yield Column("age", ("age",), "age", "time since it was made", "duration", _age,
                 lambda run: units.ago(run.info.created or None))  # fmt: skip
    yield words("host", "the machine that it was made on", lambda run: run.info.host)
    yield words("device", "what it trained on", lambda run: run.info.device)


def _age(run: Entry) -> float | None:
    return time.time() - run.info.created if run.info.created else None


def _scores() -> Iterator[Column]:
    yield from _score("best", "best val", "validation in the epoch with its lowest loss",
                      lambda run: _best(run, "validation"))  # fmt: skip
    yield from _score("best-test", "best test", "test split after the epoch with the lowest validation loss",
                      lambda run: _best(run, "test"))  # fmt: skip
    yield from _score("val", "last val", "validation in the last epoch", lambda run: run.state.validation)
    yield from _score("test", "last test", "test split with the last weights", lambda run: run.state.test)
    yield from _score("train", "train", "training split in the last epoch", lambda run: run.state.train)


def _best(run: Entry, split: Literal["validation", "test"]) -> Score | None:
    return getattr(run.state.best, split) if run.state.best else None


def _score(key: str, title: str, what: str, score: Callable[[Entry], Score | None]) -> Iterator[Column]:
    def accuracy(run: Entry) -> float | None:
        found = score(run)
        return found.measured if found else None

    def loss(run: Entry) -> float | None:
        found = score(run)
        return found.loss if found else None

    yield Column(key, (key,), title, f"accuracy: {what}", "fraction", accuracy,
                 lambda run: units.percent(accuracy(run)), falling=True)  # fmt: skip
    key = f"{key}-loss"
    yield Column(key, (key,), f"{title} loss", f"loss: {what}", "number", loss, lambda run: units.loss(loss(run)))


def _costs() -> Iterator[Column]:
    def number(
        names: str, title: str, help: str, value: Callable[[Entry], float | None], show: Callable[[float | None], str]
    ) -> Column:
        key, *more = names.split()
        return Column(key, (key, *more), title, help, "number", value, lambda run: show(value(run)))

    yield Column("time", ("time",), "time", "training time, or how much is left", "duration",
                 lambda run: run.state.seconds if run.state.step else None, summary.time)  # fmt: skip
    yield Column("epoch", ("epoch", "progress"), "epochs", "epochs done", "number", lambda run: run.state.epoch,
                 summary.epochs)  # fmt: skip
    yield number("best-epoch", "best epoch", "the epoch with the lowest validation loss",
                 lambda run: run.state.best.epoch if run.state.best else None, units.count)  # fmt: skip
    yield number("rate", "images/s", "images a second", lambda run: run.state.samples_per_second or None, units.rate)
    yield number("memory", "memory", "memory of the device", lambda run: run.state.memory, units.size)
    yield number("parameters params", "params", "parameters", lambda run: run.info.parameters or None, units.count)


def _setting(item: Setting, names: tuple[str, ...]) -> Column:
    section, _, name = item.key.partition(".")

    def value(run: Entry) -> Any:
        found = run.setting(item.key)
        return format_value(found) if isinstance(found, bool) else found or None if isinstance(found, tuple) else found

    def show(run: Entry) -> str:
        found = run.changes.get(item.key) or value(run)
        return units.UNKNOWN if found is None else listed(found) if isinstance(found, tuple) else format_value(found)

    kind: Kind = "list" if item.is_list else "number" if item.kind in (int, float) else "text"
    choices = ("true", "false") if item.kind is bool else item.choices
    title = TITLES.get(item.key) or (section if name == "name" else name.replace("_", " "))
    return Column(item.key, names, title, item.help, kind, value, summary.model if item.key == "model.name" else show,
                  choices=choices)  # fmt: skip


def listed(values: tuple[object, ...]) -> str:
    """`128-256`: a list in the room of a cell."""
    return "-".join(map(str, values))
