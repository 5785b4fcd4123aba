"""What a sweep says about its settings."""

from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import Any

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.sweep import Sweep, short_names
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.text import plain

# More different numbers than this, as sampling makes them, are taken together in so many groups of the same size.
MOST_LEVELS, GROUPS = 8, 4
TITLES = {"train": "train", "validation": "best val", "test": "last test", "best-test": "best test"}
# The part of a run that tells how long the whole will take.
SEEN = 0.02


class Result(Struct, frozen=True):
    """One run of a trial; `metric` is the sweep's own, by which the best is chosen, `score` what is shown; None where
    there is none (yet)."""

    trial: int
    values: dict[str, Any]
    score: float | None
    metric: float | None


def results(sweep: Sweep, outcomes: Iterable[Outcome], name: str = "") -> list[Result]:
    """Of the runs that have ended: those that still go on would seem worse than they are. `name` is the score's,
    where it is not the sweep's own metric."""
    own = sweep.options.metric
    return [
        Result(one.job.trial, one.values, metric(one.state, name or own), metric(one.state, own))
        for one in outcomes
        if one.values is not None and one.done
    ]


class Summary(Struct, frozen=True):
    """`sd` is the sample's standard deviation, None of a single one."""

    n: int
    mean: float
    sd: float | None


class HeatMap(Struct, frozen=True):
    """`cells[row][column]`, None where no run has both; labels are texts of values."""

    rows: list[str]
    columns: list[str]
    cells: list[list[Summary | None]]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest mean; (0, 0) where there is none."""
        means = [cell.mean for row in self.cells for cell in row if cell is not None]
        return (min(means), max(means)) if means else (0.0, 0.0)


def summarize(scores: Iterable[float | None]) -> Summary | None:
    """None where no score is known."""
    known = [score for score in scores if score is not None]
    if not known:
        return None
    return Summary(len(known), fmean(known), stdev(known) if len(known) > 1 else None)


def best(results: Sequence[Result], higher_is_better: bool) -> tuple[int, Summary] | None:
    """The trial with the best mean over its seeds; the earlier one where two are the same."""
    trials: dict[int, list[float | None]] = {}
    for result in results:
        trials.setdefault(result.trial, []).append(result.metric)
    known = [(trial, found) for trial, scores in trials.items() if (found := summarize(scores))]
    sign = -1 if higher_is_better else 1
    return min(known, key=lambda one: (sign * one[1].mean, one[0]), default=None)


class Effect(Struct, frozen=True):
    """A value of a setting, or several: `best` is the score of the best trial that has it, `all` sums up all runs that
    have it, whatever their other settings; None where no score is known."""

    label: str
    best: float | None
    all: Summary | None


def effect(results: Sequence[Result], key: str, higher_is_better: bool) -> list[Effect]:
    """Of each value of the setting."""
    labels, places = _levels([result.values[key] for result in results])
    effects = []
    for place, label in enumerate(labels):
        having = [result for result, at in zip(results, places, strict=True) if at == place]
        found = best(having, higher_is_better)
        top = summarize(result.score for result in having if found and result.trial == found[0])
        effects.append(Effect(label, top.mean if top else None, summarize(result.score for result in having)))
    return effects


def heat_map(results: Sequence[Result], down: str, across: str) -> HeatMap:
    """The mean over all runs with the same value of both settings."""
    rows, at_row = _levels([result.values[down] for result in results])
    columns, at_column = _levels([result.values[across] for result in results])
    scores: dict[tuple[int, int], list[float | None]] = {}
    for result, row, column in zip(results, at_row, at_column, strict=True):
        scores.setdefault((row, column), []).append(result.score)
    cells = [[summarize(scores.get((row, column), ())) for column in range(len(columns))] for row in range(len(rows))]
    return HeatMap(rows, columns, cells)


def _levels(values: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Labels, and which of them each value has: numbers ascending, all else as it comes."""
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in distinct)
    if numbers:
        distinct.sort()
    if not numbers or len(distinct) <= MOST_LEVELS:
        places = {value: place for place, value in enumerate(distinct)}
        return [format_value(value) for value in distinct], [places[value] for value in values]
    size = -(-len(distinct) // GROUPS)
    groups = [distinct[start : start + size] for start in range(0, len(distinct), size)]
    places = {value: place for place, group in enumerate(groups) for value in group}
    labels = [f"{units.number(group[0])}–{units.number(group[-1])}" for group in groups]
    return labels, [places[value] for value in values]


def described(values: dict[str, Any]) -> str:
    """`optimizer=adam lr=0.01`, to show."""
    names = short_names(list(values))
    return plain(" ".join(f"{names[key]}={format_value(value)}" for key, value in values.items()))


def title(metric_name: str) -> str:
    """`best val`, `train loss` …: as the table of runs has it."""
    split, _, what = metric_name.partition(".")
    return TITLES[split] + (" loss" if what == "loss" else "")


def test_of(metric_name: str) -> str:
    """The test of the weights that the metric speaks of: the best, or where the validation has no say the last."""
    return "best-test.accuracy" if metric_name.startswith("validation") else "test.accuracy"


def shown(metric_name: str, value: float | None) -> str:
    return units.percent(value) if metric_name.endswith("accuracy") else units.loss(value)


def part_done(sweep: Sweep, outcomes: Iterable[Outcome]) -> float:
    """Of the epochs of all runs, 0 to 1."""
    work = [(_epochs(sweep, one), _part(one)) for one in outcomes]
    whole = sum(epochs for epochs, _ in work)
    return sum(epochs * part for epochs, part in work) / whole if whole else 0.0


def seconds_left(sweep: Sweep, outcomes: Sequence[Outcome]) -> float | None:
    """Until the last run ends, as many at a time as now, and as long an epoch as on the average so far; None where
    nothing is known."""
    running = [one for one in outcomes if one.status == "running"]
    paces = [pace for one in outcomes if (pace := _seconds_an_epoch(sweep, one))]
    if not paces or not running:
        return None
    left = sum(
        _epochs(sweep, one) * (1 - _part(one))
        for one in outcomes
        if one.status in ("running", "queued", "interrupted") and not one.done
    )
    return fmean(paces) * left / len(running)


def _epochs(sweep: Sweep, one: Outcome) -> int:
    epochs: int = (one.values or {}).get("training.epochs", sweep.base.training.epochs)
    return epochs


def _part(one: Outcome) -> float:
    """How much of the run is done, 0 to 1: all of one that has ended, however early."""
    if one.done:
        return 1.0
    return min(1.0, one.state.step / one.state.steps) if one.state and one.state.steps else 0.0


def _seconds_an_epoch(sweep: Sweep, one: Outcome) -> float | None:
    """Of those that it was to have: where many end early, so will those to come. None where too little is seen."""
    if one.state is None or one.status not in ("finished", "stopped", "running") or _part(one) <= SEEN:
        return None
    return one.state.seconds / _part(one) / _epochs(sweep, one)


def shown_status(one: Outcome) -> str:
    """As a user knows it: a run that was pruned was stopped, by nobody."""
    return "pruned" if one.problem.startswith("Pruned") else one.status
