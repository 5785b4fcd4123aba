"""Show the metrics of an evaluation, its calibration, the curves of a class and the effect of a threshold."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Static

from tuitrain.analysis import units
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Mark
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.panels import metric_report
from tuitrain.widgets.terminal.colors import theme_color
from tuitrain.widgets.threads import in_thread

if TYPE_CHECKING:
    from tuitrain.analysis.metrics.proportion import Interval
    from tuitrain.runs.predictions import Predictions

# The minimum width of a chart, and the rows that the charts need below all metrics.
CHART, CHART_ROWS = 36, 10
STEP = 0.01


@dataclass(frozen=True)
class Shown:
    """An evaluation with what the thread has read and computed so far; `problem` says why there are no predictions."""

    evaluation: Evaluation
    predictions: "Predictions | None" = None
    intervals: "dict[str, Interval] | None" = None
    problem: str = ""


class MetricsPage(Container, can_focus=True):
    """The metrics with confidence intervals first, then the charts, as many as fit side by side."""

    DEFAULT_CSS = """
    MetricsPage {
        padding: 1 1 0 1;
        & #metrics, & #threshold { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
        & #threshold { padding: 1 0 0 0; }
        & #charts { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "threshold(1)", "threshold", key_display="← →", tooltip="Higher threshold",
                id="metrics.higher"),
        Binding("h,left", "threshold(-1)", tooltip="Lower threshold", show=False, id="metrics.lower"),
        Binding("j,down", "label(1)", "class", key_display="↑ ↓", tooltip="Next class", id="metrics.next"),
        Binding("k,up", "label(-1)", tooltip="Previous class", show=False, id="metrics.previous"),
        Binding("pagedown", "threshold(10)", tooltip="Much higher threshold", show=False, id="metrics.much_higher"),
        Binding("pageup", "threshold(-10)", tooltip="Much lower threshold", show=False, id="metrics.much_lower"),
        Binding("g,home", "threshold(-100)", tooltip="No threshold", show=False, id="metrics.no_threshold"),
        Binding("z", "turn", "next chart", tooltip="Next chart", id="metrics.turn"),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        view = View(y_from=0, y_to=1)
        self._charts = [
            Chart(title, x_label=x, x_format=lambda x: units.percent(x), percent=True, home=view)
            for title, x in (("calibration", "probability"), ("precision", "recall"), ("ROC", "false positives"))
        ]
        for chart in self._charts:
            chart.can_focus = False
            # Such as the recall of a class without images.
            chart.empty = "not defined"
        self._metrics, self._threshold_text = Static(id="metrics"), Static(id="threshold")
        self._shown: Shown | None = None
        self._first = 0
        self.threshold, self.label = 0.0, 0

    def compose(self) -> ComposeResult:
        yield self._metrics
        yield self._threshold_text
        yield Horizontal(*self._charts, id="charts")

    def show(self, folder: RunFolder, evaluation: Evaluation) -> None:
        """Show the metrics at once, and what needs the predictions when a thread has read them."""
        before = self._shown.evaluation if self._shown else None
        if before is evaluation:
            return
        self._shown = Shown(evaluation)
        if before is None or before.classes != evaluation.classes:
            self.label = metric_report.worst_class(evaluation)
        self._draw()
        self._read(folder, evaluation)

    @in_thread
    def _read(self, folder: RunFolder, evaluation: Evaluation) -> None:
        # NumPy is slow to import.
        from tuitrain.analysis.metrics.bootstrap import intervals

        try:
            predictions = folder.predictions_of(evaluation)
        except RunError as error:
            self.app.call_from_thread(self._update, Shown(evaluation, problem=str(error)))
            return
        if predictions is None:
            problem = f"The probabilities are not stored. Compute them with: tuitrain evaluate {plain(folder.id)}"
            self.app.call_from_thread(self._update, Shown(evaluation, problem=problem))
            return
        self.app.call_from_thread(self._update, Shown(evaluation, predictions))
        found = intervals(predictions)
        self.app.call_from_thread(self._update, Shown(evaluation, predictions, found))

    def _update(self, shown: Shown) -> None:
        # Another evaluation may have been chosen meanwhile.
        if self._shown is not None and self._shown.evaluation is shown.evaluation:
            self._shown = shown
            self._draw()
            self.refresh_bindings()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        shown, (width, height) = self._shown, self.content_size
        if shown is None or not width:
            return
        rows = max(5, height - CHART_ROWS - 3)
        self._metrics.update(metric_report.metrics(shown.evaluation, shown.intervals, width, rows))
        self._arrange(width)
        self._draw_threshold()

    def _arrange(self, width: int) -> None:
        """Show as many charts side by side as fit, beginning with the chosen one."""
        count = min(len(self._charts), max(1, width // CHART))
        for index, chart in enumerate(self._charts):
            chart.display = (index - self._first) % len(self._charts) < count and self._has_predictions

    @property
    def _has_predictions(self) -> bool:
        return self._shown is not None and self._shown.predictions is not None

    def _draw_threshold(self) -> None:
        shown = self._shown
        if shown is None or shown.predictions is None:
            self._threshold_text.update(metric_report.without_predictions(shown.problem if shown else ""))
            return
        from tuitrain.analysis.metrics.thresholds import class_curves, effect

        evaluation, predictions = shown.evaluation, shown.predictions
        found = effect(predictions, self.threshold, self.label)
        width = self.content_size.width
        self._threshold_text.update(metric_report.threshold(evaluation, self.label, self.threshold, found, width))
        colors = metric_report.Colors(
            *(theme_color(self, name) for name in ("series-1", "foreground-muted", "warning"))
        )
        curves = class_curves(predictions, self.label)
        lines = metric_report.chart_lines(predictions, curves, found, colors)
        name = plain(evaluation.classes[self.label], 20)
        titles = metric_report.chart_titles(evaluation.metrics, curves, name)
        marks = [Mark(self.threshold, "", colors.threshold)]
        for chart, title, drawn in zip(self._charts, titles, lines, strict=True):
            chart.set_labels(title, chart.x_label, chart.x_format, chart.y_format, percent=True)
            chart.update(drawn, marks if chart is self._charts[0] else (), top=[len(drawn) - 1])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action in ("threshold", "label", "turn"):
            return self._has_predictions and (action != "turn" or self.content_size.width // CHART < len(self._charts))
        return True

    def action_threshold(self, steps: int) -> None:
        self.threshold = round(min(max(self.threshold + steps * STEP, 0.0), 1.0), 2)
        self._draw_threshold()

    def action_label(self, steps: int) -> None:
        if self._shown is not None:
            self.label = (self.label + steps) % len(self._shown.evaluation.classes)
            self._draw_threshold()

    def action_turn(self) -> None:
        self._first = (self._first + 1) % len(self._charts)
        self._arrange(self.content_size.width)
