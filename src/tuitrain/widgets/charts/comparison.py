"""Curves of several runs over each other, one metric or several, moved about in together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tuitrain.analysis.decimate import block_size, reduce
from tuitrain.analysis.table.groups import Points, mean_band
from tuitrain.runs.follower import Follower
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.charts.series import (
    AXES,
    METRICS,
    CurveMetric,
    RunSeries,
    XAxis,
    cache_key,
    x_formatter,
    x_values,
)
from tuitrain.widgets.terminal.colors import RGB, theme_color

GRID = 4
# A chart beside or above another has at least so many columns and rows.
NARROWEST, LOWEST = 30, 9
FAINT = 0.45


class ComparisonCharts(Container, can_focus=True):
    """One chart, or several with one x axis and one cursor. `metric` is the place in METRICS of the first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "metric(1)", "metric", tooltip="The next metric: accuracy, loss, learning rate, …"),
        Binding("x", "axis", "axis", tooltip="Along the x axis: steps, epochs, seconds of training, wall time"),
        Binding("g", "log", "log", tooltip="Logarithmic y axis"),
        Binding("O", "robust", tooltip="Let outliers set the limits of the y axis, or not", show=False),
        Binding("e", "extremes", tooltip="Lowest and highest values, or means, of what shares a column", show=False),
        Binding("plus,equals_sign", "smoother(1)", "smooth", key_display="+", tooltip="Smoother", show=False),
        Binding("minus", "smoother(-1)", key_display="-", tooltip="Less smooth", show=False),
        Binding("left,h", "cursor(-1)", tooltip="Cursor to the left: read the values there", show=False),
        Binding("right,l", "cursor(1)", tooltip="Cursor to the right: read the values there", show=False),
        Binding("i", "zoom(2.0)", tooltip="Closer, around the cursor", show=False),
        Binding("o", "zoom(0.5)", tooltip="Farther away", show=False),
        Binding("left_square_bracket", "pan(-0.25)", key_display="[", tooltip="Move to the left", show=False),
        Binding("right_square_bracket", "pan(0.25)", key_display="]", tooltip="Move to the right", show=False),
        Binding("0", "reset", tooltip="All of the curves, no cursor", show=False),
    ]
    DEFAULT_CSS = """
    ComparisonCharts { layout: grid; grid-size: 1; height: 1fr; width: 1fr; }
    """

    def __init__(self, changed: Callable[[], None] = lambda: None, *, id: str | None = None) -> None:
        """`changed` is called when the metric, the axis or the cursor has; what was a message would be seen a frame
        later than the curves."""
        super().__init__(id=id)
        self.changed = changed
        self.charts = [Chart(home=View(robust=True)) for _ in range(GRID)]
        for chart in self.charts[1:]:
            chart.thinned, chart.middles = self.charts[0].thinned, self.charts[0].middles
        self.metric = 0
        self.axis: XAxis = "epoch"
        self._several = False
        self._drawn: Sequence[RunSeries] = ()
        self._top = ""
        self._bands: dict[object, tuple[list[float], ...]] = {}

    def compose(self) -> ComposeResult:
        yield from self.charts

    def on_mount(self) -> None:
        self._label()
        # On the screen's theme the colours of the lines depend, too.
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        self._arrange()

    def show(self, drawn: Sequence[RunSeries], top: str = "") -> None:
        """What has the id `top` lies above the others."""
        self._drawn, self._top = drawn, top
        self._draw()

    @property
    def shown(self) -> list[CurveMetric]:
        """The metrics of the charts that are seen."""
        return [METRICS[(self.metric + place) % len(METRICS)] for place in range(self._count)]

    @property
    def cursor(self) -> str:
        """Where the cursor stands, in words; empty where there is none."""
        at = self.charts[0].cursor
        return "" if at is None else f"{self.axis} {self.charts[0].x_format(at)}"

    def values(self) -> dict[str, str]:
        """By the id of each run, or of each group's first, what it shows of the first metric at the cursor."""
        chart, text = self.charts[0], METRICS[self.metric].text
        named = [text(value) for line, value in zip(chart.lines, chart.values(), strict=True) if line.name]
        return {drawn.id: value for drawn, value in zip(self._drawn, named, strict=False)}

    @property
    def _count(self) -> int:
        if not self._several:
            return 1
        across, down = self._across, 2 if self.size.height >= 2 * LOWEST else 1
        return min(GRID, across * down)

    @property
    def _across(self) -> int:
        return 2 if self._several and self.size.width >= 2 * NARROWEST else 1

    def _arrange(self) -> None:
        if self.styles.grid_size_columns != self._across:
            self.styles.grid_size_columns = self._across
        for place, chart in enumerate(self.charts):
            if chart.display != (place < self._count):
                chart.display = place < self._count
        self._label()
        self._draw()

    def _label(self) -> None:
        for chart, metric in zip(self.charts, self.shown, strict=False):
            chart.label(metric.title, self.axis, x_formatter(self.axis), metric.text, metric.percent)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        for chart, metric in zip(self.charts, self.shown, strict=False):
            lines = [(drawn.id == self._top, line) for drawn in self._drawn for line in self._lines(drawn, metric)]
            chart.update([line for _, line in lines], top=[place for place, (top, _) in enumerate(lines) if top])

    def _lines(self, drawn: RunSeries, metric: CurveMetric) -> list[Line]:
        color = theme_color(self, f"series-{drawn.identity.number}")
        marker = drawn.identity.marker if self.charts[0].braille else drawn.identity.ascii
        if len(drawn.runs) == 1:
            run = drawn.runs[0]
            curve, key = metric.curve(run), self._cache_key(run, metric)
            x, y = x_values(self.axis, run, curve), curve[metric.column]
            return [Line(drawn.name, x, y, color, marker, cache_key=key)]
        x, mean, low, high = self._band(drawn, metric)
        if metric.percent:
            low, high = [max(value, 0.0) for value in low], [min(value, 1.0) for value in high]
        background = theme_color(self, "background")
        faint = _mixed(background, color, FAINT)
        return [
            Line("", x, low, faint),
            Line("", x, high, faint),
            Line(drawn.name, x, mean, color, marker),
        ]

    def _cache_key(self, run: Follower, metric: CurveMetric) -> tuple[object, object]:
        return cache_key(self.axis, run, metric.split, metric.column)

    def warm(self) -> bool:
        """Do a little of what the next keys may need of long runs; False: nothing is left to do."""
        runs = [run for drawn in self._drawn for run in drawn.runs]
        for extremes, metric, run in product((False, True), METRICS, runs):
            known, y = self._cache_key(run, metric), metric.curve(run)[metric.column]
            if block_size(len(y)) > 1 and (known[1], extremes) not in self.charts[0].thinned:
                self.charts[0].thin(Line("", (), y, (0, 0, 0), cache_key=known), extremes)
                return True
        return False

    def _band(self, drawn: RunSeries, metric: CurveMetric) -> tuple[list[float], ...]:
        """Of a thinned group, kept until one of its runs goes on."""
        key = tuple(self._cache_key(run, metric) for run in drawn.runs)
        if key not in self._bands:
            curves = [
                (x_values(self.axis, run, metric.curve(run)), metric.curve(run)[metric.column]) for run in drawn.runs
            ]
            every = block_size(max(len(y) for _, y in curves))
            points: Iterable[Points] = ((thinned.x(x), thinned.y) for x, y in curves for thinned in [reduce(y, every)])
            if len(self._bands) > 64:
                self._bands.clear()
            self._bands[key] = mean_band(list(points if every > 1 else curves))
        return self._bands[key]

    def action_metric(self, places: int) -> None:
        self.metric = (self.metric + places) % len(METRICS)
        self._label()
        self._draw()
        self.changed()

    def action_grid(self) -> None:
        self._several = not self._several
        self._arrange()
        if self._several and self._count == 1:
            self.notify("There is no room for a second chart: make this one larger with z.", timeout=3)

    def action_axis(self) -> None:
        self.axis = AXES[(AXES.index(self.axis) + 1) % len(AXES)]
        for chart in self.charts:
            chart.view, chart.cursor = replace(chart.view, x_from=None, x_to=None), None
        self._label()
        self._draw()
        self.changed()

    def action_log(self) -> None:
        self.charts[0].toggle_log()
        self._share()

    def action_robust(self) -> None:
        self.charts[0].toggle_robust()
        self._share()

    def action_extremes(self) -> None:
        self.charts[0].toggle_extremes()
        self._share()

    def action_smoother(self, steps: int) -> None:
        self.charts[0].smoother(steps)
        self._share()

    def action_cursor(self, columns: int) -> None:
        self.charts[0].move_cursor(columns)
        self._share()
        self.changed()

    def action_zoom(self, factor: float) -> None:
        self.charts[0].zoom(factor)
        self._share()

    def action_pan(self, fraction: float) -> None:
        self.charts[0].pan(fraction)
        self._share()

    def action_reset(self) -> None:
        self.charts[0].reset()
        self._share()
        self.changed()

    def _share(self) -> None:
        """The view of the first chart is that of all."""
        for chart in self.charts[1:]:
            chart.view, chart.cursor = self.charts[0].view, self.charts[0].cursor


def _mixed(ground: RGB, color: RGB, part: float) -> RGB:
    red, green, blue = (round(one + part * (other - one)) for one, other in zip(ground, color, strict=True))
    return red, green, blue
