"""Charts that overlay the curves of several runs, for one or several metrics."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from math import isfinite
from typing import ClassVar

from textual.binding import Binding, BindingType

from tuitrain.analysis.curves import (
    METRICS,
    CurveMetric,
    RunSeries,
    XAxis,
    cache_key,
    logged_metric,
    logged_names,
    train_marks,
    x_formatter,
    x_values,
)
from tuitrain.analysis.decimate import block_size, reduce
from tuitrain.analysis.table.groups import Points, mean_band
from tuitrain.runs.follower import Follower
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.group import ChartGroup, chart_bindings
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.terminal.colors import RGB, theme_color

GRID = 4
# The minimum size of a chart in the grid.
MIN_WIDTH, MIN_HEIGHT = 30, 9
# The minimum width of each of two charts side by side.
PAIR_WIDTH = 48
# The opacity of the lines around a mean.
BAND_OPACITY = 0.45
MAX_BANDS = 64


class ComparisonCharts(ChartGroup):
    """One or several charts with a common view and cursor, of the `metrics` that a run has, beginning with the
    `chosen` one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "metric(1)", "metric", tooltip="Next metric: accuracy, loss, learning rate, …"),
        Binding("n", "more", "list", tooltip="Choose the metric from a list", id="compare.more"),
        *chart_bindings(log="log"),
        Binding("O", "robust", tooltip="Include or exclude outliers in the y limits", show=False),
        Binding("v", "extremes", tooltip="Show extremes or means of points that share a column", show=False),
    ]
    DEFAULT_CSS = """
    ComparisonCharts { layout: grid; grid-size: 1; height: 1fr; width: 1fr; }
    """

    def __init__(self, changed: Callable[[], None] = lambda: None, *, id: str | None = None) -> None:
        """`changed` is called after a change of metric, axis or cursor. A message would arrive one frame after the
        curves."""
        super().__init__([Chart(home=View(robust=True), label_ends=True) for _ in range(GRID)], "epoch", id=id)
        self.changed = changed
        for chart in self.charts[1:]:
            chart.reducer = self.first.reducer
        self.metrics: Sequence[CurveMetric] = METRICS[:1]
        self.chosen: CurveMetric | None = None
        # The changes of a curve at which it was searched for values, and whether it had some.
        self._searched: dict[tuple[str, CurveMetric], tuple[int, bool]] = {}
        self._grid_shown = self._axis_chosen = False
        self._series: Sequence[RunSeries] = ()
        self._top = ""
        # Why training metrics are not comparable to those of evaluations, by column.
        self._marks: dict[str, str] = {}
        self._bands: dict[object, tuple[list[float], ...]] = {}

    def on_mount(self) -> None:
        self._update_labels()

    def show(self, series: Sequence[RunSeries], top: str = "") -> None:
        """Draw the series, the one with the id `top` above the others."""
        self._series, self._top = series, top
        if (metrics := self._find_metrics()) != self.metrics:
            self.metrics = metrics
            self.arrange_charts()
        if not self._axis_chosen and self.axis != (axis := self._home_axis()):
            self.axis = axis
            self.update_axis()
        marks = train_marks(run for one in series for run in one.runs)
        if marks != self._marks:
            # New labels discard the pictures of the charts.
            self._marks = marks
            self._update_labels()
        self.redraw()

    def _find_metrics(self) -> list[CurveMetric]:
        """Return the metrics that a run has, also those that other programs logged. Without any, the first one."""
        runs = [run for one in self._series for run in one.runs]
        own = [metric for metric in METRICS if any(self._has_values(run, metric) for run in runs)]
        return [*own, *map(logged_metric, logged_names(runs))] or [METRICS[0]]

    def _home_axis(self) -> XAxis:
        """Return epochs, or steps if those of a run do not belong to epochs that tuitrain knows."""
        runs = [run for one in self._series for run in one.runs]
        return "step" if any(run.logged_names and not run.state.steps_per_epoch for run in runs) else "epoch"

    def _has_values(self, run: Follower, metric: CurveMetric) -> bool:
        key, curve = (run.folder.id, metric), metric.curve(run)
        changes, found = self._searched.get(key, (-1, False))
        if not found and changes != curve.changes:
            found = any(map(isfinite, curve[metric.column]))
            self._searched[key] = curve.changes, found
        return found

    @property
    def metric(self) -> int:
        """The index of the first metric shown: the one that the user chose, as long as a run has it."""
        return self.metrics.index(self.chosen) if self.chosen in self.metrics else 0

    @property
    def shown_metrics(self) -> list[CurveMetric]:
        return [self.metrics[(self.metric + offset) % len(self.metrics)] for offset in range(self._count)]

    @property
    def cursor_text(self) -> str:
        """The position of the cursor, such as "epoch 3", or an empty string."""
        x = self.first.cursor
        return "" if x is None else f"{self.axis} {self.first.x_format(x)}"

    def values(self) -> dict[str, str]:
        """Return the formatted value of the first metric at the cursor, by series id."""
        chart, text = self.first, self.metrics[self.metric].text
        named = [text(value) for line, value in zip(chart.lines, chart.values(), strict=True) if line.name]
        return {series.id: value for series, value in zip(self._series, named, strict=False)}

    @property
    def _count(self) -> int:
        rows = 2 if self._grid_shown and self.size.height >= 2 * MIN_HEIGHT else 1
        return min(GRID, self._grid_columns * rows, len(self.metrics))

    @property
    def _grid_columns(self) -> int:
        has_room = self.size.width >= 2 * (MIN_WIDTH if self._grid_shown else PAIR_WIDTH)
        return 2 if has_room and len(self.metrics) > 1 else 1

    def arrange_charts(self) -> None:
        if self.styles.grid_size_columns != self._grid_columns:
            self.styles.grid_size_columns = self._grid_columns
        for index, chart in enumerate(self.charts):
            if chart.display != (index < self._count):
                chart.display = index < self._count
        self._update_labels()
        self.redraw()

    def _update_labels(self) -> None:
        for chart, metric in zip(self.charts, self.shown_metrics, strict=False):
            title = metric.title + (self._marks.get(metric.column, "") if metric.split == "train" else "")
            chart.set_labels(title, self.axis, x_formatter(self.axis), metric.text, metric.percent)

    def redraw(self) -> None:
        if not self.is_mounted:
            return
        for chart, metric in zip(self.charts, self.shown_metrics, strict=False):
            lines = [(series.id == self._top, line) for series in self._series for line in self._lines(series, metric)]
            chart.update([line for _, line in lines], top=[index for index, (top, _) in enumerate(lines) if top])

    def _lines(self, series: RunSeries, metric: CurveMetric) -> list[Line]:
        color = theme_color(self, f"series-{series.marker.number}")
        marker = series.marker.marker if self.first.braille else series.marker.ascii
        if len(series.runs) == 1:
            return [self.run_line(series.runs[0], metric.split, metric.column, series.name, color, marker)]
        x, mean, low, high = self._band(series, metric)
        if metric.percent:
            low, high = [max(value, 0.0) for value in low], [min(value, 1.0) for value in high]
        faint = _blend(theme_color(self, "background"), color, BAND_OPACITY)
        return [
            Line("", x, low, faint),
            Line("", x, high, faint),
            Line(series.name, x, mean, color, marker),
        ]

    def _cache_key(self, run: Follower, metric: CurveMetric) -> tuple[object, object]:
        return cache_key(self.axis, run, metric.split, metric.column)

    def prepare_next(self) -> bool:
        """Reduce one more curve in advance, before a key shows it; return False when all are cached."""
        runs = [run for series in self._series for run in series.runs]
        for extremes, metric, run in product((False, True), METRICS, runs):
            y = metric.curve(run)[metric.column]
            line = Line("", (), y, (0, 0, 0), cache_key=self._cache_key(run, metric))
            if block_size(len(y)) > 1 and not self.first.reducer.has(line, extremes):
                self.first.reducer.reduce_curve(line, extremes)
                return True
        return False

    def _band(self, series: RunSeries, metric: CurveMetric) -> tuple[list[float], ...]:
        """Return the mean and band of a group, cached until one of its runs changes."""
        key = tuple(self._cache_key(run, metric) for run in series.runs)
        if key not in self._bands:
            curves = [
                (x_values(self.axis, run, metric.curve(run)), metric.curve(run)[metric.column]) for run in series.runs
            ]
            every = block_size(max(len(y) for _, y in curves))
            points: Iterable[Points] = ((reduced.x(x), reduced.y) for x, y in curves for reduced in [reduce(y, every)])
            if len(self._bands) > MAX_BANDS:
                self._bands.clear()
            self._bands[key] = mean_band(list(points if every > 1 else curves))
        return self._bands[key]

    def action_metric(self, steps: int) -> None:
        self._show_metric((self.metric + steps) % len(self.metrics))

    def action_more(self) -> None:
        titles = [(str(index), metric.title, "") for index, metric in enumerate(self.metrics)]
        self.post_message(AskChoice("metric", titles, lambda keys: self._show_metric(int(keys[0])), [str(self.metric)]))

    def _show_metric(self, index: int) -> None:
        self.chosen = self.metrics[index]
        self._update_labels()
        self.redraw()
        self.changed()

    def action_grid(self) -> None:
        self._grid_shown = not self._grid_shown
        self.arrange_charts()
        if self._grid_shown and self._count == 1:
            alone = "The runs have no other metric"
            room = "No room for a second chart: enlarge this one with z"
            self.notify(room if len(self.metrics) > 1 else alone, timeout=3)

    def update_axis(self) -> None:
        for chart in self.charts:
            chart.view, chart.cursor = replace(chart.view, x_from=None, x_to=None), None
        self._update_labels()

    def action_axis(self) -> None:
        self._axis_chosen = True
        super().action_axis()
        self.changed()

    def apply(self, change: Callable[[Chart], None]) -> None:
        change(self.first)
        for chart in self.charts[1:]:
            chart.view, chart.cursor = self.first.view, self.first.cursor
        self.changed()

    def action_log(self) -> None:
        self.apply(lambda chart: chart.toggle("log_y"))

    def action_robust(self) -> None:
        self.apply(lambda chart: chart.toggle("robust"))

    def action_extremes(self) -> None:
        self.apply(lambda chart: chart.toggle("extremes"))


def _blend(background: RGB, color: RGB, opacity: float) -> RGB:
    red, green, blue = (round(low + opacity * (high - low)) for low, high in zip(background, color, strict=True))
    return red, green, blue
