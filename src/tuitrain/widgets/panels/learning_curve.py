"""The accuracy over the number of training images, and whether more of them would help."""

from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static

from tuitrain.analysis.learning_curve import LearningCurve, sentence
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.terminal.colors import theme_color


class LearningCurvePanel(Container):
    """A chart of the mean accuracy, with lines at one standard deviation above and below, and a sentence."""

    DEFAULT_CSS = """
    LearningCurvePanel {
        height: 1fr;
        min-height: 10;
        & Static { height: auto; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static()
        chart = Chart("accuracy", x_label="training images", percent=True)
        chart.can_focus = False
        yield chart

    def show(self, curve: LearningCurve) -> None:
        self.query_one(Static).update(sentence(curve))
        images = [point.images for point in curve.points]
        means = [point.accuracy.mean for point in curve.points]
        deviations = [point.accuracy.sd or 0.0 for point in curve.points]
        color, muted = (theme_color(self, name) for name in ("series-1", "foreground-disabled"))
        lines = [Line(f"{curve.split} accuracy", images, means, color, "●")]
        if any(deviations):
            high, low = ([mean + sign * sd for mean, sd in zip(means, deviations, strict=True)] for sign in (1, -1))
            lines += [Line("± standard deviation", images, high, muted), Line("", images, low, muted)]
        self.query_one(Chart).update(lines, top=[0])
