"""A run's rows as pairs of charts, moved about in together."""

from bisect import bisect_right
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tuitrain.analysis import units
from tuitrain.runs.follower import Follower
from tuitrain.runs.rows import Event
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Line, Mark
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.charts.series import AXES, XAxis, cache_key, metric_curve, start_time, x_formatter, x_values
from tuitrain.widgets.terminal.colors import RGB, theme_color

# What may be seen beside each other; narrower, the charts take turns.
PAIR = 72
MARKED = {"lr": "lr", "drop": "lr", "paused": "paused", "continued": "resumed", "epochs": "epochs"}


class ChartPair(Container, can_focus=True):
    """Two charts with one x axis and one cursor; `z` shows one of them alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "turn", "zoom", tooltip="One chart alone, the other, both", id="chart.turn"),
        Binding(
            "x",
            "axis",
            "axis",
            tooltip="Along the x axis: steps, epochs, seconds of training, wall time",
            id="chart.axis",
        ),
        Binding("g", "log", "log scale", tooltip="Logarithmic y axis", id="chart.log"),
        Binding("plus,equals_sign", "smoother(1)", "smooth", key_display="+", tooltip="Smoother", id="chart.smooth"),
        Binding("minus", "smoother(-1)", key_display="-", tooltip="Less smooth", show=False),
        Binding("left,h", "cursor(-1)", tooltip="Cursor to the left: read the values there", show=False),
        Binding("right,l", "cursor(1)", tooltip="Cursor to the right: read the values there", show=False),
        Binding("i", "zoom(2.0)", "closer", tooltip="Closer, around the cursor", id="chart.closer"),
        Binding("o", "zoom(0.5)", tooltip="Farther away", show=False),
        Binding("left_square_bracket", "pan(-0.25)", key_display="[", tooltip="Move to the left", show=False),
        Binding("right_square_bracket", "pan(0.25)", key_display="]", tooltip="Move to the right", show=False),
        Binding("0", "reset", tooltip="All of the curve, no cursor", show=False),
    ]
    DEFAULT_CSS = """
    ChartPair { layout: horizontal; height: 1fr; }
    """

    def __init__(self, first: Chart, second: Chart, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.charts = (first, second)
        self.axis: XAxis = "step"
        self._alone: int | None = None
        self._run: Follower | None = None

    def compose(self) -> ComposeResult:
        yield from self.charts

    def on_mount(self) -> None:
        # On the screen's theme the colours of the lines depend, too.
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        alone = self._alone if self._alone is not None or self.size.width >= PAIR else 0
        for index, chart in enumerate(self.charts):
            chart.display = alone is None or alone == index

    def show(self, run: Follower) -> None:
        self._run = run
        self._draw()

    def _draw(self) -> None:
        if self._run is not None:
            for chart, lines in zip(self.charts, self.lines(self._run), strict=True):
                chart.update(lines, self._marks(self._run))

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        """What the two charts show."""
        raise NotImplementedError

    def _color(self, number: int) -> RGB:
        return theme_color(self, f"series-{(number - 1) % 8 + 1}")

    def _line(self, run: Follower, split: str, column: str, name: str, number: int, marker: str = "braille") -> Line:
        curve = metric_curve(run, split, column)
        known = cache_key(self.axis, run, split, column)
        return Line(name, x_values(self.axis, run, curve), curve[column], self._color(number), marker, cache_key=known)

    def _marks(self, run: Follower) -> list[Mark]:
        grey = theme_color(self, "foreground-muted")
        return [
            Mark(self._place(run, event), MARKED[event.name], grey)
            for event in run.events[-200:]
            if event.name in MARKED
        ]

    def _place(self, run: Follower, event: Event) -> float:
        if self.axis == "epoch":
            return event.step / max(1, run.state.steps_per_epoch)
        if self.axis == "seconds":
            before = bisect_right(run.train.step, event.step)
            return run.train["seconds"][before - 1] if before else 0.0
        return event.time - start_time(run) if self.axis == "wall time" else float(event.step)

    def action_turn(self) -> None:
        order = (None, 0, 1) if self.size.width >= PAIR else (0, 1)
        present = self._alone if self._alone in order else order[0]
        self._alone = order[(order.index(present) + 1) % len(order)]
        self._arrange()

    def action_axis(self) -> None:
        self.axis = AXES[(AXES.index(self.axis) + 1) % len(AXES)]
        for chart in self.charts:
            chart.x_label = self.axis
            chart.x_format = x_formatter(self.axis)
            chart.reset()
            chart._say_view()
        self._draw()

    def action_log(self) -> None:
        self._visible[0].toggle_log()

    @property
    def _visible(self) -> list[Chart]:
        return [chart for chart in self.charts if chart.display]

    def action_smoother(self, steps: int) -> None:
        for chart in self.charts:
            chart.smoother(steps)

    def action_cursor(self, columns: int) -> None:
        self._visible[0].move_cursor(columns)
        for chart in self.charts:
            chart.cursor = self._visible[0].cursor

    def action_zoom(self, factor: float) -> None:
        for chart in self.charts:
            chart.zoom(factor)

    def action_pan(self, fraction: float) -> None:
        for chart in self.charts:
            chart.pan(fraction)

    def action_reset(self) -> None:
        for chart in self.charts:
            chart.reset()


class LossAccuracyCharts(ChartPair):
    """Loss and accuracy of training, validation and, where it was measured, test."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            Chart("loss", y_format=units.loss, x_format=units.count),
            Chart("accuracy", percent=True, x_format=units.count),
            id=id,
        )

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        splits = [
            ("train", "train", len(run.train), "braille"),
            ("val", "validation", len(run.evaluations["validation"]), "•"),
            ("test", "test", len(run.evaluations["test"]), "×"),
        ]
        loss, accuracy = (
            [
                self._line(run, split, column, name, number, marker)
                for number, (name, split, rows, marker) in enumerate(splits, 1)
                if rows
            ]
            for column in ("loss", "accuracy")
        )
        return loss, accuracy


class GradientCharts(ChartPair):
    """The gradient's norm layer by layer, the first and the last layer always among those shown; the learning rate."""

    MOST = 6

    def __init__(self, *, id: str | None = None) -> None:
        log = View(log_y=True)
        super().__init__(
            Chart("gradient norm by layer", home=log, x_format=units.count),
            Chart("learning rate", x_format=units.count),
            id=id,
        )

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        count = len(run.layers)
        chosen = range(count)
        if count > self.MOST:
            chosen = sorted({round(index * (count - 1) / (self.MOST - 1)) for index in range(self.MOST)})  # type: ignore[assignment]
        x, (across, values) = x_values(self.axis, run, run.train), cache_key(self.axis, run, "train", "grad_norm")
        names = run.info.layers
        markers = ("braille", "•", "×", "+", "o", "^")
        norms = [
            Line(
                names[layer] if layer < len(names) else str(layer),
                x,
                run.layers[layer],
                self._color(number + 1),
                markers[number],
                cache_key=(across, (values, layer)),
            )
            for number, layer in enumerate(chosen)
        ]
        return norms, [self._line(run, "train", "lr", "lr", 1)]
