"""Pairs of charts of one run: loss and accuracy, gradient norms and learning rate, updates and units of layers, use and
memory of the machine."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import isfinite
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tuitrain.analysis import units
from tuitrain.analysis.curves import LOGGED, logged_names, metric_curve, start_time, train_marks, x_formatter, x_values
from tuitrain.analysis.table.markers import COLORS
from tuitrain.runs.folder import shown_status
from tuitrain.runs.follower import Curve, Follower, LayerColumns
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.rows import Event
from tuitrain.text import plain
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.group import ChartGroup, chart_bindings
from tuitrain.widgets.charts.line import BRAILLE, Line, Mark
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.terminal.colors import RGB, theme_color

# The width from which both charts are shown side by side.
PAIR = 72
# The markers of the lines of a chart, in order.
MARKERS = (BRAILLE, "•", "×", "+", "o", "^")
# Use, time and memory are shares of a whole.
FROM_ZERO = View(y_from=0.0)
# The labels of the events marked in the charts.
EVENT_LABELS = {"lr": "lr", "drop": "lr", "paused": "paused", "continued": "resumed", "epochs": "epochs"}


class ChartPair(ChartGroup):
    """Two charts with a common x axis and cursor; `z` shows one of them alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "turn", "zoom", tooltip="Show the first chart, the second, or both", id="chart.turn"),
        *chart_bindings(log="log scale", smooth="smooth", zoom="closer"),
        Binding("O", "robust", tooltip="Include or exclude outliers in the y limits", show=False),
    ]
    DEFAULT_CSS = """
    ChartPair { layout: horizontal; height: 1fr; }
    """

    def __init__(self, first: Chart, second: Chart, *, id: str | None = None) -> None:
        super().__init__((first, second), "step", id=id)
        self._single: int | None = None
        self._run: Follower | None = None

    def arrange_charts(self) -> None:
        single = self._single if self._single is not None or self.size.width >= PAIR else 0
        for index, (chart, other) in enumerate(zip(self.charts, reversed(self.charts), strict=True)):
            chart.display = single is None or single == index
            # A single chart names the other one.
            chart.border_title = Content(chart.title if single is None else f"{chart.title} · z {other.title}")

    def show(self, run: Follower) -> None:
        self._run = run
        self.redraw()

    def redraw(self) -> None:
        if self._run is not None:
            for chart, lines in zip(self.charts, self.lines(self._run), strict=True):
                if not lines:
                    ended = shown_status(self._run.state) not in ACTIVE
                    chart.empty = "no data" if ended else plain(self._run.state.phase, 60) or "no data yet"
                # The training curve is never hidden behind the others.
                chart.update(lines, self._marks(self._run), top=[0] if lines else ())

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        raise NotImplementedError

    def _title(self, number: int, title: str, text: Callable[[float | None], str], *, percent: bool) -> None:
        chart = self.charts[number]
        if chart.title != title:
            chart.set_labels(title, chart.x_label, chart.x_format, text, percent)
            self.arrange_charts()

    def _color(self, number: int) -> RGB:
        return theme_color(self, f"series-{number}")

    def _marks(self, run: Follower) -> list[Mark]:
        muted = theme_color(self, "foreground-muted")
        return [
            Mark(self._event_x(run, event), EVENT_LABELS[event.name], muted)
            for event in run.events[-200:]
            if event.name in EVENT_LABELS
        ]

    def _event_x(self, run: Follower, event: Event) -> float:
        if self.axis == "epoch":
            return event.step / max(1, run.state.steps_per_epoch)
        if self.axis == "seconds":
            before = bisect_right(run.train.step, event.step)
            return run.train["seconds"][before - 1] if before else 0.0
        return event.time - start_time(run) if self.axis == "wall time" else float(event.step)

    def action_turn(self) -> None:
        order = (None, 0, 1) if self.size.width >= PAIR else (0, 1)
        present = self._single if self._single in order else order[0]
        self._single = order[(order.index(present) + 1) % len(order)]
        self.arrange_charts()

    def update_axis(self) -> None:
        for chart in self.charts:
            chart.x_label, chart.x_format = self.axis, x_formatter(self.axis)
            chart.reset()
            chart.update_subtitle()

    def action_log(self) -> None:
        self.first.toggle("log_y")

    def action_robust(self) -> None:
        self.first.toggle("robust")


class LossAccuracyCharts(ChartPair):
    """Loss and accuracy of the training, validation and test splits, or the logged metrics that the user chooses. A run
    that logs neither loss nor accuracy begins with its first metrics."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "more", "metrics", tooltip="Choose the metrics that the charts show", id="curves.metrics"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            Chart("loss", y_format=units.loss, home=View(robust=True)),
            Chart("accuracy", percent=True),
            id=id,
        )

        self._chosen: tuple[str, ...] = ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "more":
            return self._run is not None and bool(self._run.logged_names)
        return super().check_action(action, parameters)

    def action_more(self) -> None:
        if self._run is not None:
            names = logged_names([self._run])
            options = [(name, plain(name, 60), self._last(self._run, name)) for name in names]
            self.post_message(AskChoice("metrics", options, self._choose, self._chosen, many=True))

    def _last(self, run: Follower, name: str) -> str:
        values = run.logged(name)["value"]
        return units.number(values[-1]) if values else ""

    def _choose(self, names: tuple[str, ...]) -> None:
        self._chosen = names
        for chart in self.charts:
            chart.reset()
        self.redraw()

    def _logged_lines(self, run: Follower, names: Sequence[str]) -> tuple[list[Line], list[Line]]:
        """Return the lines of logged metrics: those whose names end alike in the same chart."""
        ends = list(dict.fromkeys(map(_end, names)))
        lines: tuple[list[Line], list[Line]] = ([], [])
        for name in names:
            chart = lines[ends.index(_end(name)) > 0]
            color, marker = self._color(len(chart) % COLORS + 1), MARKERS[len(chart) % len(MARKERS)]
            chart.append(self.run_line(run, LOGGED + name, "value", plain(name, 40), color, marker))
        self._title(0, plain(ends[0], 40), units.number, percent=False)
        if len(ends) == 1:
            self._title(1, "accuracy", units.percent, percent=True)
            return lines[0], self._split_lines(run, "accuracy")
        self._title(1, plain(", ".join(ends[1:]), 40), units.number, percent=False)
        return lines

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        if names := self._chosen or _first_metrics(run):
            return self._logged_lines(run, names)
        self._title(0, "loss", units.loss, percent=False)
        self._title(1, "accuracy", units.percent, percent=True)
        return self._split_lines(run, "loss"), self._split_lines(run, "accuracy")

    def _split_lines(self, run: Follower, column: str) -> list[Line]:
        splits = [
            ("train", "train", len(run.train), BRAILLE),
            ("val", "validation", len(run.evaluations["validation"]), "•"),
            ("test", "test", len(run.evaluations["test"]), "×"),
        ]
        suffixes = {("train", column): mark for column, mark in train_marks([run]).items()}
        return [
            self.run_line(run, split, column, name + suffixes.get((split, column), ""), self._color(number), marker)
            for number, (name, split, rows, marker) in enumerate(splits, 1)
            if rows
        ]


def _end(name: str) -> str:
    return name.rpartition("/")[2]


def _first_metrics(run: Follower) -> list[str]:
    """Return a logged metric for each chart, if the run has logged metrics but neither loss nor accuracy."""
    names = logged_names([run])
    known = (metric_curve(run, split, name) for split in ("train", *run.evaluations) for name in ("loss", "accuracy"))
    if not names or any(map(len, known)):
        return []
    return [names[0], *[name for name in names if _end(name) != _end(names[0])][:1]]


class ResourceCharts(ChartPair):
    """How busy the GPU is and how long the loop waits for images, and the memory that the run takes."""

    def __init__(self, *, id: str | None = None) -> None:
        first = Chart("GPU use", percent=True, home=FROM_ZERO)
        super().__init__(first, Chart("memory of the run", y_format=units.size, home=FROM_ZERO), id=id)

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        shares = (("gpu_use", "use", BRAILLE), ("wait", "waiting for images", "•"), ("gpu_memory", "memory", "×"))
        known = {column for column, values in run.resources.columns.items() if any(map(isfinite, values))}
        first = [
            self.run_line(run, "resources", column, name, self._color(number), marker)
            for number, (column, name, marker) in enumerate(shares, 1)
            if column in known
        ]
        self._title(0, "GPU" if "gpu_use" in known else "waiting for images", units.percent, percent=True)
        memory = self.run_line(run, "resources", "memory", "memory", self._color(1))
        return first, [memory] if "memory" in known else []


class LayerCharts(ChartPair):
    """Charts of up to MAX_LAYERS layers, including the first and last."""

    MAX_LAYERS = 6

    def layer_lines(self, run: Follower, curve: Curve, columns: LayerColumns, name: str) -> list[Line]:
        """Return a line for each chosen layer, evenly spaced, from `columns` of the rows of `curve`."""
        known = [layer for layer, column in enumerate(columns) if any(map(isfinite, column))]
        shown = min(len(known), self.MAX_LAYERS)
        chosen = [known[round(index * (len(known) - 1) / max(shown - 1, 1))] for index in range(shown)]
        x, rows = x_values(self.axis, run, curve), (run.folder.id, name, curve.changes)
        return [
            Line(
                run.info.layers[layer] if layer < len(run.info.layers) else str(layer),
                x,
                columns[layer],
                self._color(number + 1),
                MARKERS[number],
                cache_key=((*rows, self.axis, run.state.steps_per_epoch), (*rows, layer)),
            )
            for number, layer in enumerate(chosen)
        ]


class GradientCharts(LayerCharts):
    """The gradient norms of the layers, and the learning rate."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(Chart("gradient norm by layer", home=View(log_y=True)), Chart("learning rate"), id=id)

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        norms = self.layer_lines(run, run.train, run.layers, "gradient norm")
        return norms, [self.run_line(run, "train", "lr", "lr", self._color(1))]


class UnitCharts(LayerCharts):
    """How much the layers change per step, and the share of their units that are dead. Layers without a ReLU have no
    dead units; if there is no ReLU at all, the second chart shows the spread of what the layers pass on."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            Chart("update / weight by layer", home=View(log_y=True)), Chart("dead units", percent=True), id=id
        )

    def lines(self, run: Follower) -> tuple[list[Line], list[Line]]:
        curve, columns = run.layer_steps, run.layer_statistics
        updates = self.layer_lines(run, curve, columns["update_ratio"], "update")
        dead = self.layer_lines(run, curve, columns["dead"], "dead")
        if dead or not len(curve):
            self._title(1, "dead units", units.percent, percent=True)
            return updates, dead
        self._title(1, "output deviation", units.number, percent=False)
        return updates, self.layer_lines(run, curve, columns["std"], "std")
