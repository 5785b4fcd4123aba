"""The texts and curves of the metrics page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content

from tuitrain.analysis import units
from tuitrain.analysis.metrics.kinds import METRIC_KINDS, MetricKind
from tuitrain.runs.records import Evaluation, Metrics
from tuitrain.text import plain
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.terminal.colors import MUTED, RGB

if TYPE_CHECKING:
    from tuitrain.analysis.metrics.proportion import Interval
    from tuitrain.analysis.metrics.thresholds import ClassCurves, Effect
    from tuitrain.runs.predictions import Predictions

KINDS = {kind.name: kind for kind in (MetricKind("accuracy", "accuracy", ""), *METRIC_KINDS)}
# The metrics with confidence intervals, and the others; the most important ones first.
HEADLINES = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece")
OTHERS = ("roc_auc", "average_precision", "brier", "top5_accuracy", "kappa", "mcc", "macro_precision", "macro_recall",
          "weighted_f1")  # fmt: skip
# The widths of titles, values and intervals, and of the gap between two columns of metrics.
TITLE, VALUE, INTERVAL, GAP = 18, 9, 18, 3
# A bin of the calibration with fewer images says little.
FEW = 10


class Colors(NamedTuple):
    """The colors of a curve, of a line of reference and of the threshold."""

    curve: RGB
    reference: RGB
    threshold: RGB


def metrics(evaluation: Evaluation, intervals: "Mapping[str, Interval] | None", width: int, rows: int) -> Content:
    """Return accuracy and metrics in columns, as many as fit into `width` and `rows`. `intervals` is None until
    they are known."""
    lines = [Content.assemble(_value(evaluation, name), _interval(name, intervals)) for name in HEADLINES]
    columns = max(0, (width - TITLE - VALUE - INTERVAL) // (TITLE + VALUE + GAP))
    if not columns:
        return Content("\n").join(lines)
    rows = max(len(HEADLINES), min(rows, -(-len(OTHERS) // columns)))
    lines += [Content(" " * (TITLE + VALUE + INTERVAL))] * (rows - len(lines))
    for number, name in enumerate(OTHERS[: rows * columns]):
        lines[number % rows] += Content.assemble(" " * GAP, _value(evaluation, name))
    return Content("\n").join(lines)


def _value(evaluation: Evaluation, name: str) -> Content:
    kind = KINDS[name]
    value = evaluation.accuracy if name == "accuracy" else kind.value(evaluation.metrics)
    style = "bold" if name in HEADLINES else ""
    return Content.assemble((f"{kind.title:<{TITLE}}", MUTED), (f"{kind.text(value):>{VALUE}}", style))


def _interval(name: str, intervals: "Mapping[str, Interval] | None") -> Content:
    """Return `  97.10 – 98.40 %` in `INTERVAL` columns."""
    if intervals is None:
        return Content.styled(f"{'  …':<{INTERVAL}}", MUTED)
    found, text = intervals.get(name), KINDS[name].text
    both = f"  {text(found.low).removesuffix(' %')} – {text(found.high)}" if found else ""
    return Content.styled(f"{both:<{INTERVAL}}", MUTED)


def worst_class(evaluation: Evaluation) -> int:
    """Return the class with the lowest recall among those with images, or the first class."""
    recalls = {label: row[label] / sum(row) for label, row in enumerate(evaluation.confusion) if sum(row)}
    return min(recalls, key=lambda label: recalls[label], default=0)


def without_predictions(problem: str) -> Content:
    return Content.styled(problem or "reading the probabilities …", "$warning" if problem else MUTED)


def threshold(evaluation: Evaluation, label: int, threshold: float, effect: "Effect", width: int) -> Content:
    """Return two lines: what a threshold rejects, and precision and recall of a class with it."""
    name, count = plain(evaluation.classes[label], 24), len(evaluation.classes)
    others = "of the others correct" if width >= 70 else "correct"
    class_number = f" ({label + 1} of {count:,})" if width >= 70 else ""
    return Content.assemble(
        ("threshold ", MUTED), (f"{100 * threshold:.0f} %", "bold $warning"),
        ("   rejects ", MUTED), (units.percent(effect.rejected), "bold"),
        ("   accuracy " if width < 70 else " of the images   ", MUTED), (units.percent(effect.accuracy), "bold"),
        (f" {others}" if width >= 70 else "", MUTED),
        ("\nclass ", MUTED), (name, "bold $accent"), (class_number, MUTED),
        ("   precision ", MUTED), (units.percent(effect.precision), "bold"),
        ("   recall ", MUTED), (units.percent(effect.recall), "bold"),
    )  # fmt: skip


def chart_titles(metrics: Metrics | None, curves: "ClassCurves | None", name: str) -> tuple[str, str, str]:
    calibration = f"calibration · ECE {units.percent(KINDS['ece'].value(metrics))}"
    if curves is None:
        return calibration, f"precision of {name}", f"ROC of {name}"
    return (
        calibration,
        f"precision of {name} · average {units.loss(curves.average_precision)}",
        f"ROC of {name} · AUC {units.loss(curves.roc_auc)}",
    )


def chart_lines(
    predictions: "Predictions", curves: "ClassCurves | None", effect: "Effect", colors: Colors
) -> tuple[list[Line], list[Line], list[Line]]:
    """Return the lines of the calibration, precision-recall and ROC charts; the point of the threshold is the last."""
    if curves is None:
        return _calibration(predictions, colors), [], []
    precision = Line("precision", curves.recall.tolist(), curves.precision.tolist(), colors.curve)
    rates = curves.false_positive_rate.tolist(), curves.true_positive_rate.tolist()
    return (
        _calibration(predictions, colors),
        [precision, *_point(effect.recall, effect.precision, colors)],
        [
            Line("chance", [0, 1], [0, 1], colors.reference),
            Line("recall", *rates, colors.curve),
            *_point(effect.false_positive_rate, effect.recall, colors),
        ],
    )


def _point(x: float | None, y: float | None, colors: Colors) -> list[Line]:
    """Return the point of the threshold, if it is defined."""
    return [] if x is None or y is None else [Line("threshold", [x], [y], colors.threshold, "◆", joined=False)]


def _calibration(predictions: "Predictions", colors: Colors) -> list[Line]:
    from tuitrain.analysis.metrics.compute import calibration, known

    if not known(predictions):
        return []
    bins = calibration(predictions.confidence, predictions.predicted == predictions.labels)
    few = [one for one in bins if 0 < one.count < FEW]
    many = [one for one in bins if one.count >= FEW]
    return [
        Line("ideal", [0, 1], [0, 1], colors.reference),
        *(
            Line(name, [one.confidence for one in shown], [one.accuracy for one in shown], color, marker, joined=False)
            for name, shown, color, marker in (
                ("few", few, colors.reference, "+"), ("accuracy", many, colors.curve, "o"),
            )
            if shown
        ),
    ]  # fmt: skip
