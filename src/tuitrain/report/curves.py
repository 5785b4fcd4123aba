"""Draw curves of one run or of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from statistics import quantiles

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuitrain.analysis import units
from tuitrain.analysis.curves import METRICS, CurveMetric, train_marks, x_values
from tuitrain.analysis.decimate import decimate
from tuitrain.analysis.table.markers import assign_markers
from tuitrain.report.blocks import Chart
from tuitrain.report.colors import LIGHT, SERIES
from tuitrain.report.drawing import chart, figure, label
from tuitrain.runs.follower import Follower

# Inches; the height of a line of the legend. A chart is about as wide as a telephone.
WIDTH, HEIGHT, LINE = 3.4, 2.3, 0.19
# Points of a curve, and the number up to which each has a marker.
POINTS, FEW = 400, 40
# The ratio of the largest to the smallest value from which the y axis is logarithmic.
WIDE_RANGE = 200
# The y axis of a loss ends above this quantile, which the first steps and outliers exceed.
OUTLIER = 0.98
# Matplotlib's markers in the order of `markers.MARKERS`, and dashes for runs of the same color.
_SHAPES = {"◆": "D", "▲": "^", "▼": "v", "►": ">", "◄": "<", "○": "o", "□": "s", "◇": "d"}
_DASHES = ("-", "--", ":", "-.")
_GROUPS = (
    ("Loss", ("train loss", "val loss", "test loss")),
    ("Accuracy", ("train accuracy", "val accuracy", "test accuracy")),
    ("Learning rate", ("learning rate",)),
)
_TEST_LOSS = CurveMetric("test loss", "test", "loss", False, units.loss)


@dataclass(frozen=True)
class _Line:
    label: str
    metric: CurveMetric
    run: Follower
    color: str
    marker: str = "o"
    dashes: str = "-"


def run_charts(run: Follower, number: int) -> list[Chart]:
    """Return the charts of loss, accuracy and, unless it is constant, learning rate. `number` is that of the run in
    the report, for the names of the charts."""
    kinds = {metric.title: metric for metric in (*METRICS, _TEST_LOSS)}
    names, charts = train_marks([run]), []
    for title, metrics in _GROUPS:
        lines = [
            _Line(_title(kind, names), kind, run, LIGHT[SERIES[series]])
            for series, kind in enumerate(kinds[name] for name in metrics)
            if _has_values(kind, run)
        ]
        scored = title != "Learning rate"
        if lines and (scored or len(set(run.train["lr"])) > 1):
            charts.append(_draw(title, f"{title.lower().replace(' ', '-')}-{number}", lines, best=scored))
    return charts


def comparison_charts(runs: dict[str, Follower], labels: dict[str, str]) -> list[Chart]:
    """Return charts of the validation accuracy, validation loss and training loss of all runs; `labels` by run id."""
    markers, charts = assign_markers(list(runs)), []
    for kind in METRICS[:3]:
        lines: list[_Line] = []
        for id, run in runs.items():
            if _has_values(kind, run):
                color = SERIES[markers[id].number - 1]
                same = sum(line.color == LIGHT[color] for line in lines)
                shape = _SHAPES[markers[id].marker]
                lines.append(_Line(labels[id], kind, run, LIGHT[color], shape, _DASHES[same % len(_DASHES)]))
        if lines:
            title = kind.title.replace("val ", "validation ").replace("train ", "training ").capitalize()
            charts.append(_draw(title, f"all-{kind.split}-{kind.column}", lines, columns=1))
    return charts


def _title(kind: CurveMetric, marks: dict[str, str]) -> str:
    title = {"train": "training", "learning": "learning rate"}.get(kind.title.split()[0], kind.split)
    return title + (marks[kind.column] if kind.split == "train" and kind.column in marks else "")


def _has_values(kind: CurveMetric, run: Follower) -> bool:
    return any(map(isfinite, kind.curve(run)[kind.column]))


def _draw(title: str, name: str, lines: Sequence[_Line], *, columns: int = 2, best: bool = False) -> Chart:
    rows = ceil((len(lines) + best) / columns)
    drawn, axes = figure(WIDTH, HEIGHT + LINE * rows)
    by_epoch = all(line.run.state.steps_per_epoch for line in lines)
    for line in lines:
        _plot(axes, line, by_epoch=by_epoch)
    if best and by_epoch and (found := lines[0].run.state.best) is not None:
        axes.axvline(found.step / lines[0].run.state.steps_per_epoch, color=LIGHT["faint"], linewidth=1, linestyle=":",
                     label=f"best epoch ({found.epoch})")  # fmt: skip
    axes.set_xlabel("epoch" if by_epoch else "step")
    _scale(axes, lines)
    _legend(drawn, columns)
    return chart(drawn, title, name, _describe(title, lines, "epoch" if by_epoch else "step"))


def _plot(axes: Axes, line: _Line, *, by_epoch: bool) -> None:
    curve = line.metric.curve(line.run)
    x, y = x_values("epoch" if by_epoch else "step", line.run, curve), curve[line.metric.column]
    factor, name = 100 if line.metric.percent else 1, line.label
    for xs, ys in decimate(x, y, POINTS):
        # A point without neighbors, between two losses that are not finite, is no line.
        marker = line.marker if len(y) <= FEW or len(xs) == 1 else ""
        axes.plot(xs, [factor * value for value in ys], color=line.color, linestyle=line.dashes, marker=marker,
                  markersize=3.5, label=label(name, 60) if name else "_", gid=None)  # fmt: skip
        name = ""


def _scale(axes: Axes, lines: Sequence[_Line]) -> None:
    """Choose the limits and the ticks of the y axis."""
    kind = lines[0].metric
    values = [v for line in lines for v in line.metric.curve(line.run)[kind.column] if isfinite(v)]
    low, high = min(values), max(values)
    axes.set_ymargin(0.06)
    if not kind.percent and low > 0 and high / low > WIDE_RANGE:
        axes.set_yscale("log")
        axes.set_yticks([10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1)])
        axes.set_yticks([], minor=True)
        axes.set_ylim(low / 1.2, high * 1.2)
    elif kind.column == "loss" and len(values) > FEW and high > 2 * (usual := quantiles(values, n=50)[-1]):
        axes.set_ylim(low - 0.06 * (usual - low), usual + 0.06 * (usual - low))
    suffix = " %" if kind.percent else ""
    axes.yaxis.set_major_formatter(lambda value, _: f"{units.number(value)}{suffix}")
    axes.xaxis.set_major_formatter(lambda value, _: units.count(value) if value == int(value) else units.number(value))


def _legend(drawn: Figure, columns: int) -> None:
    drawn.legend(loc="outside upper left", ncols=columns, handlelength=1.8, columnspacing=1.4, labelspacing=0.25,
                 borderaxespad=0.2)  # fmt: skip


def _describe(title: str, lines: Sequence[_Line], axis: str) -> str:
    """Return the last value of each curve in words."""
    ends = []
    for line in lines:
        values = [value for value in line.metric.curve(line.run)[line.metric.column] if isfinite(value)]
        ends.append(f"{line.label} ends at {line.metric.text(values[-1])}")
    return f"{title} by {axis}: {', '.join(ends)}."
