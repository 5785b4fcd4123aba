"""Titles, formats and directions of the metrics of an evaluation, without NumPy, which is slow to import."""

from collections.abc import Callable
from dataclasses import dataclass

from tuitrain.analysis import units
from tuitrain.runs.records import Metrics, Score, State


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A field of `Metrics`. `better` is 1 if larger values are better, otherwise -1."""

    name: str
    title: str
    help: str
    text: Callable[[float | None], str] = units.percent
    better: int = 1

    def value(self, metrics: Metrics | None) -> float | None:
        value: float | None = getattr(metrics, self.name, None)
        return value


METRIC_KINDS = (
    MetricKind("balanced_accuracy", "balanced accuracy", "mean recall of the classes"),
    MetricKind("macro_f1", "macro-F1", "mean F1 of the classes"),
    MetricKind("weighted_f1", "weighted F1", "mean F1 weighted by the images of each class"),
    MetricKind("macro_precision", "macro precision", "mean precision of the classes"),
    MetricKind("macro_recall", "macro recall", "mean recall of the classes, 0 for predicted classes without images"),
    MetricKind("top5_accuracy", "top-5 accuracy", "share of images whose class is among the five most probable"),
    MetricKind("kappa", "kappa", "Cohen's kappa: agreement beyond chance", units.loss),
    MetricKind("mcc", "MCC", "Matthews' correlation coefficient", units.loss),
    MetricKind("roc_auc", "ROC AUC", "area under the ROC curve, one class against the rest, mean", units.loss),
    MetricKind("average_precision", "average precision", "area under the precision-recall curve, mean", units.loss),
    MetricKind("log_loss", "log loss", "mean of -ln(probability of the true class)", units.loss, -1),
    MetricKind("brier", "Brier score", "squared error of the probabilities, 0 to 2", units.loss, -1),
    MetricKind("ece", "ECE", "expected calibration error, 15 bins", units.percent, -1),
)


def tested(state: State) -> Score | None:
    """Return the test score of the best weights, or of the last weights if no epoch counts as the best."""
    return state.best.test if state.best else state.test


def mean_metrics(all_metrics: list[Metrics]) -> Metrics | None:
    """Return the mean of each metric over the runs for which it is defined; None without any."""
    from statistics import fmean

    if not all_metrics:
        return None
    values = {
        kind.name: [value for one in all_metrics if (value := kind.value(one)) is not None] for kind in METRIC_KINDS
    }
    return Metrics(**{name: fmean(defined) if defined else None for name, defined in values.items()})
