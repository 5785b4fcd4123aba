"""The confusion matrices of two runs, their difference, and whether it means anything."""

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import units
from tuitrain.analysis.compare import class_gains
from tuitrain.analysis.mcnemar import mcnemar, verdict
from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain
from tuitrain.widgets.confusion.difference import DifferenceMatrix
from tuitrain.widgets.confusion.matrix import ConfusionMatrix

WIDE, HIGH = 100, 34
# A matrix with recalls beside it needs so many columns for ten classes.
RECALLS = 70
PARTS = ("difference", "first", "second", "words")


@dataclass(frozen=True, slots=True)
class TestedRun:
    """A run's name with its marker, safe to show, and its evaluation; None: it has none, for the `reason` given."""

    name: str
    evaluation: Evaluation | None
    reason: str = ""


class ConfusionPair(Container):
    """Everything at once where there is room for it; else one matrix, above what there is to say."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "turn", "matrix", tooltip="The difference, the baseline's matrix, the selected run's, the words"),
    ]
    DEFAULT_CSS = """
    ConfusionPair {
        layout: vertical;
        & ConfusionMatrix {
            width: 1fr; height: 1fr; padding: 0 1;
            border-top: solid $foreground 25%; border-title-color: $foreground;
        }
        & VerticalScroll { height: 6; padding: 0 1; border-top: solid $foreground 25%; scrollbar-size-vertical: 1; }
        & Static { height: auto; }
        &.wide { layout: grid; grid-size: 2 2; }
        &.wide VerticalScroll, & VerticalScroll.alone { height: 1fr; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.matrices = {
            "first": ConfusionMatrix(id="first"),
            "second": ConfusionMatrix(id="second"),
            "difference": DifferenceMatrix(id="difference"),
        }
        self._part = "difference"
        self._shown: tuple[TestedRun, TestedRun] | None = None

    def compose(self) -> ComposeResult:
        yield from self.matrices.values()
        with VerticalScroll():
            yield Static(id="words")

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        wide = self.size.width >= WIDE and self.size.height >= HIGH
        self.set_class(wide, "wide")
        self.query_one(VerticalScroll).set_class(self._part == "words", "alone")
        for name, matrix in self.matrices.items():
            matrix.display = wide or name == self._part
            matrix.show_recalls(self.size.width >= (2 * RECALLS if wide else RECALLS))

    def show(self, first: TestedRun, second: TestedRun) -> None:
        """What changes from `first`, the baseline, to `second`."""
        if self._shown == (first, second):
            return
        self._shown = (first, second)
        for name, tested in (("first", first), ("second", second)):
            matrix = self.matrices[name]
            matrix.border_title = Content(tested.name)
            seen = tested.evaluation
            matrix.show(*((seen.confusion, seen.classes) if seen else ((), ())))
        difference = self.query_one(DifferenceMatrix)
        difference.border_title = Content(f"{second.name} less {first.name}")
        one, other = first.evaluation, second.evaluation
        if one and other and one.classes == other.classes:
            difference.show_change(one.confusion, other.confusion, one.classes)
        else:
            difference.show_change((), (), ())
        self.query_one("#words", Static).update(_words(first, second))

    def focus_matrix(self) -> None:
        self.matrices.get(self._part, self.query_one(VerticalScroll)).focus()

    def on_confusion_matrix_moved(self, message: ConfusionMatrix.Moved) -> None:
        """All stand on the same pair of classes as the one that is walked through."""
        message.stop()
        if message.matrix.has_focus:
            for matrix in self.matrices.values():
                matrix.look_at(message.true, message.predicted)

    def action_turn(self) -> None:
        self._part = PARTS[(PARTS.index(self._part) + 1) % len(PARTS)]
        self._arrange()
        self.focus_matrix()


def _words(first: TestedRun, second: TestedRun) -> Content:
    for tested in (first, second):
        if tested.evaluation is None:
            return Content(f"{tested.name} {tested.reason or 'has not been tested yet.'}")
    assert first.evaluation is not None
    assert second.evaluation is not None
    if first is second or first == second:
        return Content("This is the baseline itself. Select another run with tab.")
    try:
        said = verdict(mcnemar(first.evaluation, second.evaluation), first.name, second.name)
    except RunError as error:
        said = f"No McNemar test: {error}"
    return Content("\n\n").join([Content(said), _gains(first.evaluation, second.evaluation, first.name, second.name)])


def _gains(first: Evaluation, second: Evaluation, first_name: str, second_name: str) -> Content:
    if first.classes != second.classes:
        return Content("The two runs know different classes.")
    gains = class_gains(first, second)
    parts = []
    for name, better in ((second_name, 1), (first_name, -1)):
        own = [gain for gain in gains if gain.gain * better > 0]
        listed = [
            f"  {plain(gain.name, 24)}  {units.percent(gain.first)} → {units.percent(gain.second)}"
            f"  ({100 * gain.gain:+.1f}, {gain.support:,} images)"
            for gain in own[:20]
        ]
        head = f"{name} is better in {len(own)} of {len(first.classes)} classes"
        parts.append(Content("\n").join([Content.styled(head, "bold"), *map(Content, listed)]))
    return Content("\n").join(parts)
