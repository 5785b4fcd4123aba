"""The table of the metrics of an evaluation."""

from tuitrain.analysis import units
from tuitrain.analysis.metrics.bootstrap import intervals
from tuitrain.analysis.metrics.kinds import METRIC_KINDS, MetricKind
from tuitrain.analysis.metrics.proportion import Interval
from tuitrain.analysis.text_tables import Lines
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation

TITLES = ("metric", "value", "95 % interval", "meaning")
ACCURACY = MetricKind("accuracy", "accuracy", "share of images classified correctly")


def interval_text(kind: MetricKind, interval: Interval | None) -> str:
    """Return `97.10 – 98.40 %` or `0.0712 – 0.0931`."""
    if interval is None:
        return ""
    low, high = kind.text(interval.low), kind.text(interval.high)
    return f"{low.removesuffix(' %')} – {high}"


def metric_lines(folder: RunFolder, evaluation: Evaluation) -> Lines:
    """Return accuracy and metrics, with intervals if the folder contains the predictions. Raises RunError."""
    predictions = folder.predictions_of(evaluation)
    known = intervals(predictions) if predictions else {}
    values = [(ACCURACY, evaluation.accuracy), *((kind, kind.value(evaluation.metrics)) for kind in METRIC_KINDS)]
    return [
        list(TITLES),
        *(
            [kind.title, kind.text(value), interval_text(kind, known.get(kind.name)), kind.help]
            for kind, value in values
        ),
    ]


def title(evaluation: Evaluation) -> str:
    """Return which images and weights an evaluation is of: `test, the best weights (epoch 7), 10,000 images`."""
    images = units.count(sum(map(sum, evaluation.confusion)))
    return f"{evaluation.split}, the {evaluation.checkpoint} weights (epoch {evaluation.epoch}), {images} images"
