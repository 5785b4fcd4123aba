"""The metrics and x axes that charts of runs can show."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, overload

from tuitrain.analysis import units
from tuitrain.analysis.table.markers import RunMarker
from tuitrain.runs.follower import Curve, Follower
from tuitrain.text import plain

XAxis = Literal["step", "epoch", "seconds", "wall time"]
AXES: tuple[XAxis, ...] = ("step", "epoch", "seconds", "wall time")


@dataclass(frozen=True, slots=True)
class CurveMetric:
    """A metric that can be drawn: `column` of the rows of `split`, which is resources for what the run used."""

    title: str
    split: str
    column: str
    percent: bool
    text: Callable[[float | None], str]

    def curve(self, run: Follower) -> Curve:
        return metric_curve(run, self.split, self.column)


METRICS = (
    CurveMetric("val accuracy", "validation", "accuracy", True, units.percent),
    CurveMetric("val loss", "validation", "loss", False, units.loss),
    CurveMetric("train loss", "train", "loss", False, units.loss),
    CurveMetric("train accuracy", "train", "accuracy", True, units.percent),
    CurveMetric("test accuracy", "test", "accuracy", True, units.percent),
    CurveMetric("learning rate", "train", "lr", False, units.number),
    CurveMetric("gradient norm", "train", "grad_norm", False, units.number),
    CurveMetric("waiting for images", "resources", "wait", True, units.percent),
    CurveMetric("memory", "resources", "memory", False, units.size),
    CurveMetric("GPU use", "resources", "gpu_use", True, units.percent),
    CurveMetric("GPU memory", "resources", "gpu_memory", True, units.percent),
)

# What begins the split of a metric with a name of its own; its column is `value`.
LOGGED = "logged/"


def logged_metric(name: str) -> CurveMetric:
    return CurveMetric(plain(name, 60), LOGGED + name, "value", False, units.number)


def logged_names(runs: Iterable[Follower]) -> list[str]:
    """Return the names of all metrics that other programs logged, those with a prefix such as `train/` together. The
    epoch, which a chart hardly needs, is the last one."""
    names = {name for run in runs for name in run.logged_names}
    return sorted(names, key=lambda name: (name == "epoch", name.rpartition("/")[0], name))


def train_marks(runs: Iterable[Follower]) -> dict[str, str]:
    """Return why the training loss and accuracy of a run are not comparable to those of its validation, by column:
    ` (soft labels)`. An empty text means that they are."""
    configs = [run.config for run in runs]
    mixed = {"mixed labels": any(config.data.mixes_labels for config in configs)}
    reasons = {
        "soft labels": any(config.training.label_smoothing for config in configs),
        "class weights": any(config.training.class_weights != "none" for config in configs),
        "balanced": any(config.data.sampler == "balanced" for config in configs),
    }
    return {"loss": _mark(reasons | mixed), "accuracy": _mark(mixed)}


def _mark(reasons: dict[str, bool]) -> str:
    found = ", ".join(reason for reason, applies in reasons.items() if applies)
    return f" ({found})" if found else ""


def metric_curve(run: Follower, split: str, column: str) -> Curve:
    """Return the rows of a split, of the resources or of a logged metric that have this column."""
    if split.startswith(LOGGED):
        return run.logged(split.removeprefix(LOGGED))
    curve = {"train": run.train, "resources": run.resources, **run.evaluations}[split]
    return curve.only(column)


class ScaledSequence(Sequence[float]):
    """A lazy sequence of `(value - start) / unit`."""

    def __init__(self, values: Sequence[float], start: float = 0.0, unit: float = 1.0) -> None:
        self.values, self.start, self.unit = values, start, unit

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> "array[float]": ...
    def __getitem__(self, index: int | slice) -> "float | array[float]":
        if isinstance(index, slice):
            return array("d", ((value - self.start) / self.unit for value in self.values[index]))
        return (self.values[index] - self.start) / self.unit


@dataclass(frozen=True, slots=True)
class RunSeries:
    """One run, or the runs of a seed group, one per seed, with name and marker; `name` is not empty and safe to show.
    `repeats` are the ids of further runs with the same seeds."""

    name: str
    marker: RunMarker
    runs: Sequence[Follower]
    repeats: Sequence[str] = ()

    @property
    def id(self) -> str:
        return self.ids[0]

    @property
    def ids(self) -> list[str]:
        return [run.folder.id for run in self.runs]

    def __contains__(self, id: str) -> bool:
        return id in self.ids or id in self.repeats


def x_values(axis: XAxis, run: Follower, curve: Curve) -> Sequence[float]:
    if axis == "epoch":
        return ScaledSequence(curve.step, unit=max(1, run.state.steps_per_epoch))
    if axis == "wall time":
        return ScaledSequence(curve["time"], start=start_time(run))
    return curve["seconds"] if axis == "seconds" else curve.step


def start_time(run: Follower) -> float:
    """Return the wall-clock time at which training started."""
    times = [curve["time"][0] for curve in (run.train, *run.evaluations.values()) if len(curve)]
    return min((time for time in (*times, run.state.started) if time and isfinite(time)), default=0.0)


def cache_key(axis: XAxis, run: Follower, split: str, column: str) -> tuple[object, object]:
    """Return `Line.cache_key` for a column along an axis."""
    rows = (run.folder.id, split, metric_curve(run, split, column).changes)
    return (*rows, axis, run.state.steps_per_epoch), (*rows, column)


def x_formatter(axis: XAxis) -> Callable[[float], str]:
    if axis == "step":
        return units.count
    return units.number if axis == "epoch" else units.duration
