"""The columns of the runs table: identity, scores, costs and every setting."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal, get_args

from msgspec import Struct

from tuitrain.analysis import summary, units
from tuitrain.analysis.metrics.kinds import METRIC_KINDS, MetricKind, tested
from tuitrain.analysis.table.group_rows import GroupRow, samples
from tuitrain.analysis.table.groups import mean_sd
from tuitrain.config.code import without_folder
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import FOLD, SEED, Setting, settings
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Score, ShownStatus, by_goals
from tuitrain.text import did_you_mean, plain

Kind = Literal["text", "list", "number", "fraction", "duration"]
MAX_CELL = 60


class Column(Struct, frozen=True):
    """`names` are its names in filters, the shortest first; `value` returns None if the run has no value. `choices` are
    all possible values, or empty. `falling` says that sorting starts with the largest value. Groups of runs show the
    standard deviation of a score."""

    key: str
    names: tuple[str, ...]
    title: str
    help: str
    kind: Kind
    value: Callable[[Entry], Any]
    show: Callable[[Entry], str]
    falling: bool = False
    choices: tuple[str, ...] = ()
    is_score: bool = False

    @property
    def right(self) -> bool:
        """Whether cells are aligned to the right."""
        return self.kind not in ("text", "list")

    def text(self, entry: Entry) -> str:
        """Return the cell as one line that is safe to show."""
        text = self.show(entry)
        if isinstance(entry, GroupRow):
            text = self._group_text(entry, text)
        return plain(text, MAX_CELL)

    def _group_text(self, row: GroupRow, mean: str) -> str:
        """Return the cell of a group: all its seeds, a mean score with its standard deviation, or just the mean."""
        if self.key in (SEED, FOLD):
            return ", ".join(map(str, sorted({self.value(run) for run in row.runs} - {None}))) or mean
        if not self.is_score:
            return mean
        summary = mean_sd(self.value(run) for run in samples(row.runs))
        if summary is None or summary.sd is None:
            return mean
        return f"{mean} ± {100 * summary.sd:.2f}" if self.kind == "fraction" else f"{mean} ± {units.loss(summary.sd)}"


TITLES = {
    "data.dataset": "data",
    "data.batch_size": "batch",
    "model.activation": "act",
    "optimizer.name": "opt",
    "optimizer.weight_decay": "decay",
    "training.epochs": "planned",
    "training.best": "best by",
}


@cache
def columns() -> dict[str, Column]:
    """Return all columns by key."""
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
    """Return the column with this name. Raises ConfigError if there is none."""
    wanted = _normalize(name)
    if wanted in _by_name():
        return _by_name()[wanted]
    if ambiguous := [key for key in settings() if _normalize(key.partition(".")[2]) == wanted]:
        raise ConfigError(f"{plain(name, 40)!r} may be {' or '.join(ambiguous)}.", "Write the full name.", key=name)
    hint = did_you_mean(wanted, _by_name()) or "Use best-test, best, test, time, status, tag … or a setting."
    raise ConfigError(f"Unknown column {plain(name, 40)!r}.", hint, key=name)


def shown_title(column: Column, entries: Iterable[Entry]) -> str:
    """Return the title of a column above `entries`: "best val by macro-F1" unless the loss selects the best epochs."""
    if not column.key.startswith("best"):
        return column.title
    return column.title + by_goals(entry.state.best.metric for entry in entries if entry.state.best)


@cache
def _by_name() -> dict[str, Column]:
    titles = {_normalize(column.title): column for column in columns().values() if not column.title.isidentifier()}
    return titles | {_normalize(name): column for column in columns().values() for name in column.names}


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-")


def _identity() -> Iterator[Column]:
    def text_column(names: str, help: str, value: Callable[[Entry], str]) -> Column:
        key, *more = names.split()
        return Column(key, (*more, key), key, help, "text", lambda run: value(run) or None, value)

    yield text_column("run name", "the run's name", lambda run: run.info.name)
    yield Column("status", ("status",), "status", "status, with progress while running", "text", lambda run: run.status,
                 summary.status, choices=get_args(ShownStatus))  # fmt: skip
    yield text_column("tags tag", "your tags", lambda run: " ".join(run.info.tags))
    yield text_column("notes note", "your notes", lambda run: run.info.notes)
    yield text_column("id", "name of the run folder", lambda run: run.folder.id)
    yield Column("age", ("age",), "age", "time since the run was created", "duration", _age,
                 lambda run: units.ago(run.info.created or None))  # fmt: skip
    yield text_column("host", "host that created the run", lambda run: run.info.host)
    yield text_column("device", "training device", lambda run: run.info.hardware)


def _age(run: Entry) -> float | None:
    return time.time() - run.info.created if run.info.created else None


def _scores() -> Iterator[Column]:
    yield from _score("best", "best val", "validation split at the best epoch by training.best (loss by default)",
                      lambda run: _best(run, "validation"))  # fmt: skip
    yield from _score("best-test", "best test", "test split with the weights of the best epoch by training.best",
                      lambda run: _best(run, "test"))  # fmt: skip
    yield from _score("val", "last val", "validation split in the last epoch", lambda run: run.state.validation)
    yield from _score("test", "last test", "test split with the last weights", lambda run: run.state.test)
    yield from _score("train", "train", "training split in the last epoch", lambda run: run.state.train)
    for kind in METRIC_KINDS:
        yield _metric(kind, "", "test", "test split with the best weights", lambda run: tested(run.state))
        yield _metric(
            kind, "best-", "best val", "validation split at the best epoch", lambda run: _best(run, "validation")
        )


def _metric(kind: MetricKind, prefix: str, title: str, help: str, score: Callable[[Entry], Score | None]) -> Column:
    def value(run: Entry) -> float | None:
        measured = score(run)
        return kind.value(measured.metrics) if measured else None

    name = kind.name.replace("_", "-")
    names = (f"{prefix}{name}",) if prefix else (name, f"best-test-{name}")
    return Column(names[0], names, f"{title} {kind.title}", f"{kind.help}: {help}",
                  "fraction" if kind.text is units.percent else "number", value,
                  lambda run: kind.text(value(run)), falling=kind.better > 0, is_score=True)  # fmt: skip


def _best(run: Entry, split: Literal["validation", "test"]) -> Score | None:
    return getattr(run.state.best, split) if run.state.best else None


def _score(key: str, title: str, help: str, score: Callable[[Entry], Score | None]) -> Iterator[Column]:
    def accuracy(run: Entry) -> float | None:
        measured = score(run)
        return measured.measured if measured else None

    def loss(run: Entry) -> float | None:
        measured = score(run)
        return measured.loss if measured else None

    yield Column(key, (key,), title, f"accuracy: {help}", "fraction", accuracy,
                 lambda run: units.percent(accuracy(run)), falling=True, is_score=True)  # fmt: skip
    key = f"{key}-loss"
    yield Column(key, (key,), f"{title} loss", f"loss: {help}", "number", loss, lambda run: units.loss(loss(run)),
                 is_score=True)  # fmt: skip


def _costs() -> Iterator[Column]:
    def number(
        names: str, title: str, help: str, value: Callable[[Entry], float | None], show: Callable[[float | None], str]
    ) -> Column:
        key, *more = names.split()
        return Column(key, (key, *more), title, help, "number", value, lambda run: show(value(run)))

    yield Column("time", ("time",), "time", "training time, or time left", "duration",
                 lambda run: run.state.seconds if run.state.step else None, summary.time)  # fmt: skip
    yield Column("epoch", ("epoch", "progress"), "epochs", "completed epochs", "number", lambda run: run.state.epoch,
                 summary.epochs)  # fmt: skip
    yield number("best-epoch", "best epoch", "best epoch by training.best (lowest validation loss by default)",
                 lambda run: run.state.best.epoch if run.state.best else None, units.count)  # fmt: skip
    yield number("rate", "images/s", "images per second", lambda run: run.state.samples_per_second or None, units.rate)
    yield number("memory", "memory", "device memory", lambda run: run.state.memory, units.size)
    yield number("parameters params", "params", "number of parameters",
                 lambda run: run.info.parameters or None, units.count)  # fmt: skip


def _setting(item: Setting, names: tuple[str, ...]) -> Column:
    section, _, name = item.key.partition(".")

    def value(run: Entry) -> Any:
        setting = run.setting(item.key)
        if isinstance(setting, bool):
            return format_value(setting)
        if item.automatic and setting == "auto":
            return None
        return setting or None if isinstance(setting, tuple) else setting

    def show(run: Entry) -> str:
        shown = run.changes.get(item.key) or value(run)
        if isinstance(shown, str):
            return without_folder(shown)
        return units.UNKNOWN if shown is None else join_list(shown) if isinstance(shown, tuple) else format_value(shown)

    kind: Kind = "list" if item.is_list else "number" if item.kind in (int, float) else "text"
    choices = ("true", "false") if item.kind is bool else () if item.others else item.choices
    title = TITLES.get(item.key) or (section if name == "name" else name.replace("_", " "))
    return Column(item.key, names, title, item.help, kind, value, summary.model if item.key == "model.name" else show,
                  choices=choices)  # fmt: skip


def join_list(values: tuple[object, ...]) -> str:
    """Return a list in short form: `128-256`."""
    return "-".join(map(str, values))
