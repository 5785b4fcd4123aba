"""Charts with a common x axis and cursor, controlled by the same keys."""

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tuitrain.analysis.curves import AXES, XAxis, cache_key, metric_curve, x_values
from tuitrain.runs.follower import Follower
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import BRAILLE, Line
from tuitrain.widgets.terminal.colors import RGB


def chart_bindings(*, log: str, smooth: str = "", zoom: str = "") -> list[BindingType]:
    """Return the bindings of all charts; the footer shows the keys whose label is given."""
    axis = "Change the x axis: steps, epochs, seconds, wall time"
    return [
        Binding("X", "axis", "axis", tooltip=axis, id="chart.axis"),
        Binding("L", "log", log, tooltip="Log-scale y axis", id="chart.log"),
        Binding("plus,equals_sign", "smooth(1)", smooth, bool(smooth), "+", tooltip="Smooth more", id="chart.smooth"),
        Binding("minus", "smooth(-1)", key_display="-", tooltip="Smooth less", show=False),
        Binding("left,h", "cursor(-1)", tooltip="Move the cursor left, to read values", show=False),
        Binding("right,l", "cursor(1)", tooltip="Move the cursor right", show=False),
        Binding("i", "zoom(2.0)", zoom, bool(zoom), tooltip="Zoom in at the cursor", id="chart.closer"),
        Binding("I", "zoom(0.5)", tooltip="Zoom out", show=False),
        Binding("left_square_bracket", "pan(-0.25)", key_display="[", tooltip="Pan left", show=False),
        Binding("right_square_bracket", "pan(0.25)", key_display="]", tooltip="Pan right", show=False),
        Binding("0", "reset", tooltip="Reset zoom and cursor", show=False),
    ]


class ChartGroup(Container, can_focus=True):
    """Charts that share an axis, a cursor and keys. Subclasses decide which are visible and what they draw."""

    def __init__(self, charts: Sequence[Chart], axis: XAxis, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.charts, self.axis = charts, axis

    def compose(self) -> ComposeResult:
        yield from self.charts

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def on_resize(self) -> None:
        self.arrange_charts()

    def arrange_charts(self) -> None:
        """Show the charts for which there is room."""
        raise NotImplementedError

    def redraw(self) -> None:
        raise NotImplementedError

    def update_axis(self) -> None:
        """Label the charts for the new `axis` and show all of it."""
        raise NotImplementedError

    def apply(self, change: Callable[[Chart], None]) -> None:
        """Apply a change of view or cursor to all charts."""
        for chart in self.charts:
            change(chart)

    @property
    def first(self) -> Chart:
        """The first visible chart, which moves the cursor of all. While the charts are closed, none is visible."""
        return next((chart for chart in self.charts if chart.display), self.charts[0])

    def run_line(self, run: Follower, split: str, column: str, name: str, color: RGB, marker: str = BRAILLE) -> Line:
        """Return the line of a column of the rows of `split`."""
        curve = metric_curve(run, split, column)
        x, key = x_values(self.axis, run, curve), cache_key(self.axis, run, split, column)
        return Line(name, x, curve[column], color, marker, cache_key=key, stepped=column == "lr")

    def action_axis(self) -> None:
        self.axis = AXES[(AXES.index(self.axis) + 1) % len(AXES)]
        self.update_axis()
        self.redraw()

    def action_smooth(self, levels: int) -> None:
        self.apply(lambda chart: chart.change_smoothing(levels))

    def action_zoom(self, factor: float) -> None:
        self.apply(lambda chart: chart.zoom(factor))

    def action_pan(self, fraction: float) -> None:
        self.apply(lambda chart: chart.pan(fraction))

    def action_reset(self) -> None:
        self.apply(lambda chart: chart.reset())

    def action_cursor(self, columns: int) -> None:
        self.first.move_cursor(columns)
        cursor = self.first.cursor
        self.apply(lambda chart: setattr(chart, "cursor", cursor))
