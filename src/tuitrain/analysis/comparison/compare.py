"""Compare runs: the settings that differ, and scores relative to a baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec

from tuitrain.analysis import units
from tuitrain.analysis.comparison.mcnemar import different_images
from tuitrain.analysis.confusion import class_scores
from tuitrain.analysis.metrics.kinds import METRIC_KINDS, tested
from tuitrain.analysis.table.groups import MeanSD, SeedGroup, group_by_seed, mean_sd
from tuitrain.analysis.table.run_labels import Labelled, run_labels
from tuitrain.config.settings import FOLD, SEED, settings
from tuitrain.runs.follower import Curve, Follower
from tuitrain.runs.records import Evaluation, Score
from tuitrain.runs.writer import user_named


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of results. `better` is 1 if larger values are better, -1 if smaller ones are, else 0. `text` formats a
    value. `noise` is the relative variation between identical runs."""

    key: str
    title: str
    better: int
    text: Callable[[float | None], str]
    noise: float = 0.0

    def difference(self, change: float) -> str:
        """Format a distance from the baseline, that of accuracies in percentage points."""
        if self.text is units.percent:
            return f"{100 * change:+.2f}"
        return ("-" if change < 0 else "+") + self.text(abs(change))

    def ties(self, one: float, other: float) -> bool:
        """Whether two values display the same, or differ by no more than noise."""
        return self.text(one) == self.text(other) or abs(one - other) <= self.noise * max(abs(one), abs(other))


# Relative variation of times and speeds on an idle machine.
_TIMING_NOISE = 0.05


def _seconds(value: float | None) -> str:
    """Format a duration, with two decimals below one second."""
    return f"{value:.2f} s" if value is not None and 0 < value < 1 else units.duration(value)


# The prefix of the metrics of the test split, with the best weights.
TESTED = "best_weights_test_"
METRICS = (
    Metric("best_weights_test_accuracy", "best test", 1, units.percent),
    Metric("best_validation_accuracy", "best val", 1, units.percent),
    Metric("seconds", "time", 0, _seconds, _TIMING_NOISE),
    Metric("test_accuracy", "last test", 1, units.percent),
    Metric("validation_accuracy", "last val", 1, units.percent),
    Metric("train_accuracy", "train", 1, units.percent),
    Metric("test_loss", "last test loss", -1, units.loss),
    Metric("validation_loss", "last val loss", -1, units.loss),
    Metric("best_validation_loss", "best val loss", -1, units.loss),
    Metric("train_loss", "train loss", -1, units.loss),
    Metric("epochs_to_reach", "epochs to", -1, units.count),
    Metric("seconds_to_reach", "time to", -1, _seconds, _TIMING_NOISE),
    Metric("epochs", "epochs", 0, units.count),
    Metric("images_per_second", "images/s", 1, units.rate, _TIMING_NOISE),
    Metric("parameters", "params", 0, units.count),
    *(Metric(f"{TESTED}{kind.name}", f"test {kind.title}", kind.better, kind.text) for kind in METRIC_KINDS),
)


# With more runs than this, a table has one row per run instead of one column.
MAX_COLUMNS = 4
# This share of the best accuracy: a good run reaches it early, a failed one never.
TARGET = 0.95


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run's settings by dotted key, and its results by metric key. Settings are `Changed` if a user changed them
    during the run, and empty for a damaged run. `label` tells the run apart from the others. Unknown results are
    None."""

    id: str
    name: str
    label: str
    status: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differing` are the keys of the settings that differ; `threshold` is the validation accuracy for
    `epochs_to_reach`, None if no run has one. `other_images` holds the ids of the runs that were tested on other images
    than the baseline."""

    runs: tuple[ComparedRun, ...]
    baseline: str
    differing: tuple[str, ...]
    threshold: float | None
    groups: tuple[SeedGroup, ...]
    other_images: frozenset[str] = frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for run in self.runs for key in run.settings))

    def run(self, id: str) -> ComparedRun:
        return next(run for run in self.runs if run.id == id)

    def columns(self, *, grouped: bool) -> list[SeedGroup]:
        """Return the groups, or each run as a group of its own, the baseline's first."""
        columns = self.groups if grouped else [SeedGroup((run.id,), run.label) for run in self.runs]
        return sorted(columns, key=lambda column: self.baseline not in column.all_ids)

    def delta(self, run: ComparedRun, key: str) -> float | None:
        value, reference = run.metrics[key], self.run(self.baseline).metrics[key]
        return None if run.id == self.baseline or value is None or reference is None else value - reference

    def mean_sd(self, ids: Sequence[str], key: str) -> MeanSD | None:
        return mean_sd(self.run(id).metrics[key] for id in ids)


def compare(runs: Sequence[Follower], baseline: str = "", threshold: float | None = None) -> Comparison:
    """Compare at least one run. If `baseline` is not the id of a run, the first run is the baseline. `threshold`
    defaults to `TARGET` of the best validation accuracy of all runs."""
    if threshold is None:
        accuracies = [value for run in runs for value in run.evaluations["validation"]["accuracy"] if isfinite(value)]
        threshold = TARGET * max(accuracies) if accuracies else None
    labelled = {run.folder.id: _labelled(run) for run in runs}
    labels = run_labels(list(labelled.values()))
    compared = tuple(
        ComparedRun(id, run.info.name, labels[id], run.status, labelled[id].settings, _metrics(run, threshold))
        for id, run in zip(labelled, runs, strict=True)
    )
    known = [run.settings for run in compared if run.settings]
    keys = dict.fromkeys(key for values in (settings(), *known) for key in values)
    differing = tuple(key for key in keys if len({values[key] for values in known if key in values}) > 1)
    groups = _labelled_groups(compared, labelled)
    baseline = baseline if baseline in labelled else compared[0].id
    return Comparison(compared, baseline, differing, threshold, groups, _tested_on_other_images(runs, baseline))


def _tested_on_other_images(runs: Sequence[Follower], baseline: str) -> frozenset[str]:
    tested = {run.folder.id: run.info.fingerprints.get("test", "") for run in runs}
    return frozenset(id for id, fingerprint in tested.items() if different_images(tested[baseline], fingerprint))


def _labelled(run: Follower) -> Labelled:
    return Labelled(run.folder.id, run.info.name, user_named(run.info, run.config), run.settings | run.changes)


def _labelled_groups(runs: Sequence[ComparedRun], labelled: Mapping[str, Labelled]) -> tuple[SeedGroup, ...]:
    """Group the runs by seed and name each group by the settings in which the groups differ."""
    finished = {run.id for run in runs if run.status == "finished"}
    groups = group_by_seed({run.id: run.settings for run in runs}, {run.id: run.name for run in runs}, finished)
    labels = run_labels([_labelled_group(group, labelled) for group in groups])
    return tuple(msgspec.structs.replace(group, name=labels[group.ids[0]]) for group in groups)


def _labelled_group(group: SeedGroup, runs: Mapping[str, Labelled]) -> Labelled:
    first = runs[group.ids[0]]
    if len(group.all_ids) == 1:
        return first
    settings = {key: value for key, value in first.settings.items() if key not in (SEED, FOLD)}
    named = bool(group.name) and all(runs[id].named for id in group.all_ids)
    return Labelled(first.id, group.name, named, settings)


def best_of(metric: Metric, values: Mapping[str, float | None]) -> frozenset[str]:
    """Return the keys of the best value and of those that tie with it; empty if all tie."""
    known = {key: value for key, value in values.items() if value is not None}
    if not metric.better or not known:
        return frozenset()
    top = metric.better * max(metric.better * value for value in known.values())
    winners = frozenset(key for key, value in known.items() if metric.ties(value, top))
    return winners if len(winners) < len(known) else frozenset()


def first_reaching(curve: Curve, threshold: float) -> int | None:
    """Return the index of the first row with at least this accuracy, or None."""
    return next((row for row, accuracy in enumerate(curve["accuracy"]) if accuracy >= threshold), None)


def _metrics(run: Follower, threshold: float | None) -> dict[str, float | None]:
    state, validation, best = run.state, run.evaluations["validation"], run.state.best
    test = tested(state)
    row = None if threshold is None else first_reaching(validation, threshold)
    values: dict[str, float | None] = {
        **_scores("test", state.test),
        "best_weights_test_accuracy": best.test.accuracy if best and best.test else None,
        **_scores("validation", state.validation),
        **_scores("best_validation", best.validation if best else None),
        **_scores("train", state.train),
        "epochs_to_reach": None if row is None else validation["epoch"][row],
        "seconds_to_reach": None if row is None else validation["seconds"][row],
        # A script or another tool may log no epochs.
        "epochs": state.epoch if state.epochs else None,
        "seconds": state.seconds,
        "images_per_second": state.samples_per_second or None,
        "parameters": run.info.parameters or None,
        **{f"{TESTED}{kind.name}": kind.value(test.metrics if test else None) for kind in METRIC_KINDS},
    }
    return {metric.key: _finite(values[metric.key]) for metric in METRICS}


def _scores(split: str, score: Score | None) -> dict[str, float | None]:
    return {f"{split}_accuracy": score.accuracy if score else None, f"{split}_loss": score.loss if score else None}


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


@dataclass(frozen=True, slots=True)
class ClassGain:
    """The recall of a class in two evaluations; `support` is its number of images in the first."""

    name: str
    first: float
    second: float
    support: int

    @property
    def gain(self) -> float:
        return self.second - self.first


def class_gains(first: Evaluation, second: Evaluation) -> list[ClassGain]:
    """Return the classes whose recall differs, by descending difference; empty if the class names differ."""
    if first.classes != second.classes:
        return []
    pairs = zip(first.classes, class_scores(first.confusion), class_scores(second.confusion), strict=True)
    gains = [
        ClassGain(name, one.recall, other.recall, one.support)
        for name, one, other in pairs
        if one.recall is not None and other.recall is not None and one.recall != other.recall
    ]
    return sorted(gains, key=lambda gain: -abs(gain.gain))
