"""Rank the trials of a sweep and summarize the effect of each setting."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.analysis.summary import status_name
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import BEST
from tuitrain.config.sweeps.sweep import Sweep, short_names
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.records import GOAL_TITLES
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.text import plain

# A setting with more distinct numbers than MAX_LEVELS, as sampling creates them, is shown in GROUPS groups of equal
# size.
MAX_LEVELS, GROUPS = 8, 4
TITLES = {"train": "train", "validation": "best val", "test": "last test", "best-test": "best test"}
_GOALS = {str(goal): title for goal, title in GOAL_TITLES.items()}
# The fraction of a run after which its pace is a useful estimate.
MIN_FRACTION = 0.02


class Result(Struct, frozen=True):
    """One finished run: `values` are those of its trial that it uses, `metric` ranks its trial, and `score` is
    shown. Both are None if not measured."""

    trial: int
    values: dict[str, Any]
    score: float | None
    metric: float | None


def results(sweep: Sweep, outcomes: Iterable[Outcome], name: str = "") -> list[Result]:
    """Return the results of the runs that have ended; unfinished runs would look worse than they are. `name` is the
    metric to show as `score`; by default the sweep's own."""
    own = sweep.objective
    ended = [(outcome, outcome.values) for outcome in outcomes if outcome.values is not None and outcome.done]
    return [
        Result(outcome.job.trial, sweep.used(values), metric(outcome.state, name or own), metric(outcome.state, own))
        for outcome, values in ended
    ]


class HeatMap(Struct, frozen=True):
    """Means over two settings: `cells[row][column]` is None if no run has both values."""

    rows: list[str]
    columns: list[str]
    cells: list[list[MeanSD | None]]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest mean, or (0, 0) without results."""
        means = [cell.mean for row in self.cells for cell in row if cell is not None]
        return (min(means), max(means)) if means else (0.0, 0.0)


def best(results: Sequence[Result], higher_is_better: bool) -> tuple[int, MeanSD] | None:
    """Return the trial with the best mean over its seeds; of equal trials the first."""
    trials: dict[int, list[float | None]] = {}
    for result in results:
        trials.setdefault(result.trial, []).append(result.metric)
    known = [(trial, summary) for trial, scores in trials.items() if (summary := mean_sd(scores))]
    sign = -1 if higher_is_better else 1
    return min(known, key=lambda ranked: (sign * ranked[1].mean, ranked[0]), default=None)


def ties(results: Sequence[Result], trial: int) -> list[int]:
    """Return the other trials whose mean over their seeds equals that of `trial`."""
    means: dict[int, MeanSD | None] = {}
    for other in dict.fromkeys(result.trial for result in results):
        means[other] = mean_sd(result.metric for result in results if result.trial == other)
    top = means[trial]
    return [other for other, mean in means.items() if other != trial and top and mean and mean.mean == top.mean]


class Effect(Struct, frozen=True):
    """One value of a setting, or a group of values: the score of the best trial with it, and the summary of all runs
    with it. Both are None without scores."""

    label: str
    best: float | None
    all: MeanSD | None


def effects_of(results: Sequence[Result], key: str, higher_is_better: bool) -> list[Effect]:
    results = [result for result in results if key in result.values]
    labels, levels = _group_levels([result.values[key] for result in results])
    effects = []
    for level, label in enumerate(labels):
        matching = [result for result, found in zip(results, levels, strict=True) if found == level]
        top = best(matching, higher_is_better)
        top_scores = mean_sd(result.score for result in matching if top and result.trial == top[0])
        all_scores = mean_sd(result.score for result in matching)
        effects.append(Effect(label, top_scores.mean if top_scores else None, all_scores))
    return effects


def heat_map(results: Sequence[Result], down: str, across: str) -> HeatMap:
    """Average over all runs with the same values of both settings; runs that do not use both are left out."""
    results = [result for result in results if down in result.values and across in result.values]
    rows, row_levels = _group_levels([result.values[down] for result in results])
    columns, column_levels = _group_levels([result.values[across] for result in results])
    scores: dict[tuple[int, int], list[float | None]] = {}
    for result, row, column in zip(results, row_levels, column_levels, strict=True):
        scores.setdefault((row, column), []).append(result.score)
    cells = [[mean_sd(scores.get((row, column), ())) for column in range(len(columns))] for row in range(len(rows))]
    return HeatMap(rows, columns, cells)


def _group_levels(values: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Return labels and the label index of each value: numbers in ascending order, other values in order of
    appearance."""
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in distinct)
    if numbers:
        distinct.sort()
    if not numbers or len(distinct) <= MAX_LEVELS:
        levels = {value: level for level, value in enumerate(distinct)}
        return [format_value(value) for value in distinct], [levels[value] for value in values]
    size = -(-len(distinct) // GROUPS)
    groups = [distinct[start : start + size] for start in range(0, len(distinct), size)]
    levels = {value: level for level, group in enumerate(groups) for value in group}
    labels = [f"{units.number(group[0])}–{units.number(group[-1])}" for group in groups]
    return labels, [levels[value] for value in values]


def describe_values(values: dict[str, Any]) -> str:
    """Return `optimizer=adam lr=0.01`, safe to show."""
    names = short_names(list(values))
    return plain(" ".join(f"{names[key]}={format_value(value)}" for key, value in values.items()))


def metric_title(name: str) -> str:
    """Return the title of a metric such as `best-test.accuracy`: "best test", "best val loss", "best val macro-F1"."""
    split, _, quantity = name.partition(".")
    return TITLES[split] + ("" if quantity == "accuracy" else f" {_GOALS[quantity]}")


def column_title(sweep: Sweep, name: str) -> str:
    """Return the title of a metric in a table: "best val by macro-F1" unless the loss selects the best epochs."""
    goals = {best_epochs_by(sweep)} - {GOAL_TITLES["loss"]}
    return _title_by(name, *goals)


def best_title(sweep: Sweep) -> str:
    """Return the title of the metric that ranks the trials, and of the one that selects the best epochs."""
    return _title_by(sweep.objective, best_epochs_by(sweep))


def best_epochs_by(sweep: Sweep) -> str:
    """Return the metric that selects the best epoch of each run."""
    return BEST if BEST in sweep.varying_keys else GOAL_TITLES[sweep.base.training.best]


def _title_by(name: str, goal: str = "") -> str:
    split, _, quantity = name.partition(".")
    measured_there = split in ("validation", "best-test") and goal and (split, _GOALS[quantity]) != ("validation", goal)
    return metric_title(name) + f" by {goal}" * bool(measured_there)


def test_metric(name: str) -> str:
    """Return the test metric of the weights that `name` measures: the best ones for validation metrics, else the
    last."""
    return "best-test.accuracy" if name.startswith("validation") else "test.accuracy"


def format_metric(name: str, value: float | None) -> str:
    return units.loss(value) if name.endswith("loss") else units.percent(value)


def fraction_done(sweep: Sweep, outcomes: Iterable[Outcome]) -> float:
    """Return the completed fraction of all epochs, from 0 to 1."""
    work = [(_epochs(sweep, outcome), _fraction_done(outcome)) for outcome in outcomes]
    total = sum(epochs for epochs, _ in work)
    return sum(epochs * fraction for epochs, fraction in work) / total if total else 0.0


def seconds_left(sweep: Sweep, outcomes: Sequence[Outcome]) -> float | None:
    """Estimate the time left at the mean pace so far and the present number of concurrent runs; None if unknown."""
    running = [outcome for outcome in outcomes if outcome.status == "running"]
    paces = [pace for outcome in outcomes if (pace := _seconds_per_epoch(sweep, outcome))]
    if not paces or not running:
        return None
    epochs = sum(
        _epochs(sweep, outcome) * (1 - _fraction_done(outcome))
        for outcome in outcomes
        if outcome.status in ("running", "queued", "interrupted") and not outcome.done
    )
    return fmean(paces) * epochs / len(running)


def _epochs(sweep: Sweep, outcome: Outcome) -> int:
    epochs: int = (outcome.values or {}).get("training.epochs", sweep.base.training.epochs)
    return epochs


def _fraction_done(outcome: Outcome) -> float:
    if outcome.done:
        return 1.0
    return min(1.0, outcome.state.step / outcome.state.steps) if outcome.state and outcome.state.steps else 0.0


def _seconds_per_epoch(sweep: Sweep, outcome: Outcome) -> float | None:
    """Return the training time of a run per planned epoch, so that runs that ended early lower the estimate; None if
    it is too early to tell."""
    state, fraction = outcome.state, _fraction_done(outcome)
    if state is None or outcome.status not in ("finished", "stopped", "running") or fraction <= MIN_FRACTION:
        return None
    return state.seconds / fraction / _epochs(sweep, outcome)


def reason(outcome: Outcome) -> str:
    """Return why a run failed or was pruned; empty for other runs. Not yet safe to show."""
    ended = outcome.status in ("failed", "interrupted") or outcome.problem
    return (outcome.problem or (outcome.state.reason if outcome.state else "")) if ended else ""


def display_status(outcome: Outcome) -> str:
    """Return the status to show: "pruned" for a run that the sweep stopped early."""
    return "pruned" if outcome.problem.startswith("Pruned") else status_name(outcome.status, outcome.state)
