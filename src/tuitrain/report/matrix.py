"""Draw the confusion matrix."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tuitrain.analysis import units
from tuitrain.analysis.metrics.tables import title
from tuitrain.report.blocks import Chart
from tuitrain.report.colors import LIGHT
from tuitrain.report.drawing import chart, figure, label
from tuitrain.runs.records import Evaluation

# With more classes the most confused pairs say more; with more than MAX_COUNTS, counts do not fit into the cells.
MAX_CLASSES, MAX_COUNTS = 40, 24
NAME = 18
# Opacity of a cell from which its count is white.
_DARK = 0.75


def matrix_chart(evaluation: Evaluation, name: str) -> Chart:
    """Return a heat map of at most `MAX_CLASSES` classes: rows are true classes, columns predicted ones."""
    size = len(evaluation.classes)
    side = 0.36 if size <= 16 else 0.3 if size <= MAX_COUNTS else 0.19
    names = [label(text, NAME) for text in evaluation.classes]
    longest = max(map(len, names), default=0) * 0.075
    drawn, axes = figure(max(3.2, size * side + longest + 0.7), max(2.6, size * side + longest + 0.6))
    for true, row in enumerate(evaluation.confusion):
        support = sum(row)
        for predicted, count in enumerate(row):
            if count:
                _cell(axes, true, predicted, count, count / support, counts=size <= MAX_COUNTS)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    _name(axes, names, small=size > MAX_COUNTS)
    right = sum(row[index] for index, row in enumerate(evaluation.confusion))
    total = sum(map(sum, evaluation.confusion))
    text = f"Confusion matrix, {title(evaluation)}: {right:,} on the diagonal, {total - right:,} beside it."
    return chart(drawn, "Confusion matrix", name, text)


def _cell(axes: Axes, true: int, predicted: int, count: int, share: float, *, counts: bool) -> None:
    """Draw a count of a class: its share of the class is the opacity, by its square root so that few errors show."""
    opacity = min(1.0, 0.08 + 0.92 * share**0.5)
    color = LIGHT["right" if true == predicted else "wrong"]
    axes.add_patch(Rectangle((predicted - 0.5, true - 0.5), 1, 1, facecolor=color, alpha=opacity, linewidth=0))
    if counts:
        ink = LIGHT["on-color" if opacity > _DARK else "ink"]
        size = 8 if count < 1000 else 6.5 if count < 10_000 else 5
        text = f"{count}" if count < 100_000 else units.rate(count)
        axes.text(predicted, true, text, ha="center", va="center_baseline", color=ink, fontsize=size)


def _name(axes: Axes, names: list[str], *, small: bool) -> None:
    size = 6 if small else 8
    upright = max(map(len, names), default=0) <= 2
    axes.set_xticks(range(len(names)), names, rotation=0 if upright else 90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT["line"])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
