"""Show the confusion matrix of a run, and beside and below it the errors that it counts."""

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis.confusion import Confusion
from tuitrain.runs.records import Evaluation
from tuitrain.widgets.confusion.matrix import ConfusionMatrix
from tuitrain.widgets.confusion.samples import Samples
from tuitrain.widgets.panels import error_bars, run_report

# The minimum width of the images beside the matrix.
SIDE = 38


class ConfusionPage(Container):
    """Show the images of the selected cell beside the matrix, and the most confused pairs and the scores of the classes
    below it, as far as there is room."""

    DEFAULT_CSS = """
    ConfusionPage {
        layout: horizontal;
        padding: 1 1 0 1;
        & #left { width: 1fr; height: 1fr; }
        & #below { height: 1fr; padding: 1 0 0 0; text-wrap: nowrap; }
        & #cell { width: 1fr; height: 1fr; display: none; margin: 0 0 0 3; }
        &.wide #cell { display: block; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.matrix, self._samples, self._below = ConfusionMatrix(), Samples(id="cell"), Static(id="below")
        self._samples.can_focus = False
        self._left = Container(self.matrix, self._below, id="left")
        self._evaluation: Evaluation | None = None
        self._confused: list[Confusion] = []
        self._scores = Content("")

    def compose(self) -> ComposeResult:
        yield from (self._left, self._samples)

    def show(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._confused, self._scores = error_bars.most_confused(evaluation), error_bars.class_scores(evaluation)
        self.matrix.show(evaluation.confusion, evaluation.classes)
        self._arrange()
        self._show_errors()

    def on_resize(self) -> None:
        self._arrange()
        self._show_errors()

    def on_confusion_matrix_moved(self) -> None:
        self._show_errors()

    def _arrange(self) -> None:
        """Give the matrix the size that it needs, and the rest to its errors."""
        width, height = self.content_size
        if not width:
            return
        needed = self.matrix.size_for(width, height)
        wide = width - needed.width >= SIDE
        self.set_class(wide, "wide")
        self._left.styles.width = needed.width if wide else "1fr"
        self.matrix.styles.height = min(needed.height, height)

    def _show_errors(self) -> None:
        evaluation, pair = self._evaluation, self.matrix.pair
        if evaluation is None:
            return
        samples = [sample for sample in evaluation.worst if (sample.true, sample.predicted) == pair]
        self._samples.show(samples, evaluation.classes, run_report.no_images(evaluation, pair))
        parts = [error_bars.confused_pairs(evaluation, self._confused, pair), self._scores]
        self._below.update(Content("\n\n").join(parts), layout=False)
