"""The confusion matrices of two runs, their difference, and McNemar's test."""

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import units
from tuitrain.analysis.comparison.compare import class_gains
from tuitrain.analysis.comparison.mcnemar import mcnemar, verdict
from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain
from tuitrain.widgets.confusion.difference import DifferenceMatrix
from tuitrain.widgets.confusion.matrix import ConfusionMatrix

# The size from which all parts are shown at once.
WIDE, HIGH = 100, 34
# Columns that a matrix of ten classes needs to show recalls.
RECALLS = 70
PARTS = ("difference", "first", "second", "words")


@dataclass(frozen=True, slots=True)
class TestedRun:
    """A run's marker and name, safe to show, and its test evaluation, or the `reason` why there is none."""

    name: str
    evaluation: Evaluation | None
    reason: str = ""


class ConfusionPair(Container):
    """Show all parts if there is room, otherwise one matrix above the text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "turn", "matrix", tooltip="Switch between difference, baseline, selected run and text"),
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
        self._shown: tuple[TestedRun, TestedRun, str] | None = None

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

    def show(self, first: TestedRun, second: TestedRun, note: str = "") -> None:
        """Show how `second` differs from `first`, the baseline; `note` follows the verdict."""
        if self._shown == (first, second, note):
            return
        self._shown = (first, second, note)
        for name, tested in (("first", first), ("second", second)):
            matrix = self.matrices[name]
            matrix.border_title = Content(tested.name)
            evaluation = tested.evaluation
            matrix.show(*((evaluation.confusion, evaluation.classes) if evaluation else ((), ())))
        difference = self.query_one(DifferenceMatrix)
        difference.border_title = Content(f"{second.name} minus {first.name}")
        before, after = first.evaluation, second.evaluation
        if before and after and before.classes == after.classes:
            difference.show_change(before.confusion, after.confusion, before.classes)
        else:
            difference.show_change((), (), ())
        self.query_one("#words", Static).update(_verdict_text(first, second, note))

    def focus_matrix(self) -> None:
        self.matrices.get(self._part, self.query_one(VerticalScroll)).focus()

    def on_confusion_matrix_moved(self, message: ConfusionMatrix.Moved) -> None:
        """Move the cursor of all matrices to the same pair of classes."""
        message.stop()
        if message.matrix.has_focus:
            for matrix in self.matrices.values():
                matrix.select(message.true, message.predicted)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return not self.has_class("wide") if action == "turn" else True

    def action_turn(self) -> None:
        self._part = PARTS[(PARTS.index(self._part) + 1) % len(PARTS)]
        self._arrange()
        self.focus_matrix()


def _verdict_text(first: TestedRun, second: TestedRun, note: str) -> Content:
    before, after = first.evaluation, second.evaluation
    if before is None or after is None:
        missing = first if before is None else second
        return Content(f"{missing.name} {missing.reason or 'has no test evaluation yet.'}")
    if first == second:
        return Content("This is the baseline. Press tab to select another run.")
    try:
        text = verdict(mcnemar(before, after), first.name, second.name)
    except RunError as error:
        text = f"No McNemar test: {error}"
    weights = f"Weights of epochs {before.epoch:,} and {after.epoch:,}, the best of each run. {note}".rstrip()
    gains = _class_gains(before, after, first.name, second.name)
    return Content("\n\n").join([Content(text), Content(weights), gains])


def _class_gains(first: Evaluation, second: Evaluation, first_name: str, second_name: str) -> Content:
    if first.classes != second.classes:
        return Content("The two runs have different classes.")
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
