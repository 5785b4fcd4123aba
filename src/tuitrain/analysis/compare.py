"""What tells runs apart: the settings that differ, and the results beside those of a baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from tuitrain.analysis import units
from tuitrain.analysis.confusion import class_scores
from tuitrain.analysis.table.groups import Group, Spread, group, spread
from tuitrain.config.settings import settings
from tuitrain.runs.follower import Curve, Follower
from tuitrain.runs.records import Evaluation, Score


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of results. `better`: 1 where more is better, -1 where less is, 0 where neither; `text` writes a value,
    `difference` how far it is from the baseline's; `noise` is the part of a value by which it differs from one time to
    the next."""

    key: str
    title: str
    better: int
    text: Callable[[float | None], str]
    difference: Callable[[float], str]
    noise: float = 0.0

    def same(self, one: float, other: float) -> bool:
        """Whether they are written alike, or differ by no more than noise."""
        return self.text(one) == self.text(other) or abs(one - other) <= self.noise * max(abs(one), abs(other))


# Of a machine that does nothing else.
_TIMING = 0.05


def _points(difference: float) -> str:
    """Of accuracies, in percentage points."""
    return f"{100 * difference:+.2f}"


def _signed(text: Callable[[float | None], str]) -> Callable[[float], str]:
    return lambda difference: ("-" if difference < 0 else "+") + text(abs(difference))


def _seconds(value: float | None) -> str:
    """With two decimals where one says too little."""
    return f"{value:.2f} s" if value is not None and 0 < value < 1 else units.duration(value)


def _percent(key: str, title: str) -> Metric:
    return Metric(key, title, 1, units.percent, _points)


def _loss(key: str, title: str) -> Metric:
    return Metric(key, title, -1, units.loss, _signed(units.loss))


METRICS = (
    _percent("test_accuracy", "test accuracy, last"),
    _loss("test_loss", "test loss, last"),
    _percent("best_weights_test_accuracy", "test accuracy, best"),
    _percent("validation_accuracy", "val accuracy, last"),
    _percent("best_validation_accuracy", "val accuracy, best"),
    _loss("validation_loss", "val loss, last"),
    _loss("best_validation_loss", "val loss, best"),
    _percent("train_accuracy", "train accuracy"),
    _loss("train_loss", "train loss"),
    Metric("epochs_to_reach", "epochs to", -1, units.count, _signed(units.count)),
    Metric("seconds_to_reach", "time to", -1, _seconds, _signed(_seconds), _TIMING),
    Metric("epochs", "epochs", 0, units.count, _signed(units.count)),
    Metric("seconds", "training time", 0, _seconds, _signed(_seconds), _TIMING),
    Metric("images_per_second", "images/s", 1, units.rate, _signed(units.rate), _TIMING),
    Metric("parameters", "parameters", 0, units.count, _signed(units.count)),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A run's settings by dotted key, `Changed` where a user did so on the way, none where it is damaged; and its
    results by the key of the metric, None: not known."""

    id: str
    name: str
    status: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differing` are the keys of settings that not all runs share; `threshold` is the validation accuracy that
    `epochs_to_reach` speaks of, None where no run was validated."""

    runs: tuple[Compared, ...]
    baseline: str
    differing: tuple[str, ...]
    threshold: float | None
    groups: tuple[Group, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all settings that any of the runs has."""
        return tuple(dict.fromkeys(key for run in self.runs for key in run.settings))

    def run(self, id: str) -> Compared:
        return next(run for run in self.runs if run.id == id)

    def delta(self, run: Compared, key: str) -> float | None:
        """How far the run is from the baseline; None for the baseline itself and where one of the two is not known."""
        value, reference = run.metrics[key], self.run(self.baseline).metrics[key]
        return None if run.id == self.baseline or value is None or reference is None else value - reference

    def spread(self, ids: Sequence[str], key: str) -> Spread | None:
        return spread(self.run(id).metrics[key] for id in ids)


def compare(runs: Sequence[Follower], baseline: str = "", threshold: float | None = None) -> Comparison:
    """Of at least one run. `baseline` is an id, the first run's where there is none such; `threshold` None: what
    all validated runs reached, so that each has a number of epochs."""
    curves = [[value for value in run.evaluations["validation"]["accuracy"] if isfinite(value)] for run in runs]
    threshold = min((max(curve) for curve in curves if curve), default=None) if threshold is None else threshold
    compared = tuple(
        Compared(run.folder.id, run.info.name, run.status, run.settings | run.changes, _metrics(run, threshold))
        for run in runs
    )
    ids = [run.id for run in compared]
    whole = [run.settings for run in compared if run.settings]
    keys = dict.fromkeys(key for values in (settings(), *whole) for key in values)
    differing = tuple(key for key in keys if len({values[key] for values in whole if key in values}) > 1)
    groups = group({run.id: run.settings for run in compared}, {run.id: run.name for run in compared})
    return Comparison(compared, baseline if baseline in ids else ids[0], differing, threshold, tuple(groups))


def best(metric: Metric, values: Mapping[str, float | None]) -> frozenset[str]:
    """The keys of the best of `values` and of those that are the same; none where all are."""
    known = {key: value for key, value in values.items() if value is not None}
    if not metric.better or not known:
        return frozenset()
    top = metric.better * max(metric.better * value for value in known.values())
    found = frozenset(key for key, value in known.items() if metric.same(value, top))
    return found if len(found) < len(known) else frozenset()


def reach(curve: Curve, threshold: float) -> int | None:
    """The place of the first row with at least this accuracy."""
    return next((place for place, accuracy in enumerate(curve["accuracy"]) if accuracy >= threshold), None)


def _metrics(run: Follower, threshold: float | None) -> dict[str, float | None]:
    state, validation, best = run.state, run.evaluations["validation"], run.state.best
    place = None if threshold is None else reach(validation, threshold)
    values: dict[str, float | None] = {
        **_scores("test", state.test),
        "best_weights_test_accuracy": best.test.accuracy if best and best.test else None,
        **_scores("validation", state.validation),
        **_scores("best_validation", best.validation if best else None),
        **_scores("train", state.train),
        "epochs_to_reach": None if place is None else validation["epoch"][place],
        "seconds_to_reach": None if place is None else validation["seconds"][place],
        "epochs": state.epoch,
        "seconds": state.seconds,
        "images_per_second": state.samples_per_second or None,
        "parameters": run.info.parameters or None,
    }
    return {metric.key: _known(values[metric.key]) for metric in METRICS}


def _scores(split: str, score: Score | None) -> dict[str, float | None]:
    return {f"{split}_accuracy": score.accuracy if score else None, f"{split}_loss": score.loss if score else None}


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


@dataclass(frozen=True, slots=True)
class ClassGain:
    """The recall of a class in two evaluations; `support` is the number of its images in the first."""

    name: str
    first: float
    second: float
    support: int

    @property
    def gain(self) -> float:
        return self.second - self.first


def class_gains(first: Evaluation, second: Evaluation) -> list[ClassGain]:
    """The classes in which the recalls differ, the greatest difference first; none where the classes are not."""
    if first.classes != second.classes:
        return []
    pairs = zip(first.classes, class_scores(first.confusion), class_scores(second.confusion), strict=True)
    gains = [
        ClassGain(name, one.recall, other.recall, one.support)
        for name, one, other in pairs
        if one.recall is not None and other.recall is not None and one.recall != other.recall
    ]
    return sorted(gains, key=lambda gain: -abs(gain.gain))


def difference(first: Evaluation, second: Evaluation) -> list[list[int]]:
    """How many more images of each true class the second took for each class; empty where the classes differ."""
    if first.classes != second.classes:
        return []
    return [
        [after - before for before, after in zip(one, other, strict=True)]
        for one, other in zip(first.confusion, second.confusion, strict=True)
    ]
