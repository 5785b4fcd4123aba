"""Look through the images whose labels are likely wrong, and mark them."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content

from tuitrain.analysis import units
from tuitrain.errors import RunError
from tuitrain.hosts.explain.explained import Source
from tuitrain.hosts.explain.process import ExplainProcess
from tuitrain.hosts.explain.process import Request as ExplainRequest
from tuitrain.hosts.preview.report import Request
from tuitrain.hosts.suspects.process import SuspectsProcess
from tuitrain.hosts.suspects.report import Report, Suspect
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.marks import RIGHT, WRONG, Mark, marks_file, read_marks, write_marks
from tuitrain.screens.export import EXPORT, Export, ExportScreen
from tuitrain.screens.results.mark_tables import mark_exports
from tuitrain.text import plain
from tuitrain.widgets.explanation import ExplanationPanel
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.tables.suspects import SuspectsTable
from tuitrain.widgets.terminal.colors import MUTED
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.pictures import side_to_request

# Rows of the table: nobody looks through more.
ROWS = 1000
# The width from which the image is beside the table instead of below it.
WIDE = 110


class SuspectsScreen(ExportScreen):
    """Lists the suspects that `process` finds, with the image under the cursor, and stores marks beside the run."""

    CSS_PATH = "suspects.tcss"
    TITLE = "Suspects"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "exclamation_mark",
            "mark('wrong')",
            "wrong",
            key_display="!",
            tooltip="The label is wrong; next image",
            id="suspects.wrong",
        ),
        Binding(
            "equals_sign",
            "mark('right')",
            "ok",
            key_display="=",
            tooltip="The label is right; next image",
            id="suspects.right",
        ),
        Binding(
            "number_sign",
            "choose",
            "class",
            key_display="#",
            tooltip="Choose the class that the label should be",
            id="suspects.class",
        ),
        Binding("u", "unmark", "unmark", tooltip="Remove the mark", id="suspects.unmark"),
        Binding("j", "move(1)", "next", tooltip="Next image", id="suspects.next", show=False),
        Binding("k", "move(-1)", "previous", tooltip="Previous image", id="suspects.previous", show=False),
        Binding("H", "heat", "heat map", tooltip="Show or hide the heat map", id="suspects.heat"),
        EXPORT,
        Binding("escape,V", "dismiss", "back", key_display="esc", tooltip="Back to the run", id="suspects.back"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder, process: SuspectsProcess, explanations: ExplainProcess) -> None:
        super().__init__()
        self._folder, self._process, self._explanations = folder, process, explanations
        self._report: Report | None = None
        self._marks: dict[str, Mark] = {}
        self._heated = False
        # Marks would replace those of a file that could not be read.
        self._may_mark = True

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        with Container(id="body"):
            yield SuspectsTable(id="suspects")
            yield ExplanationPanel()
        yield FixedText(id="about")
        yield FittingFooter()

    def on_mount(self) -> None:
        try:
            self._marks = read_marks(marks_file(self._folder))
        except RunError as error:
            self._may_mark = False
            self.show_error(error)
        self._process.request(Request(str(self._folder.path.absolute()), "last"))

    def on_resize(self) -> None:
        self.set_class(self.size.width >= WIDE, "wide")

    @property
    def urgent(self) -> bool:
        found, explanation = self._process.latest, self._explanations.latest
        return (found is not None and bool(found.doing)) or (explanation is not None and not explanation.is_final)

    def tick(self) -> None:
        answer = self._process.latest
        if self._report is None and answer is not None and answer.report is not None:
            self._report = answer.report
            self.query_one(SuspectsTable).show(answer.report.suspects[:ROWS], answer.report.classes, self._marks)
            self.query_one(SuspectsTable).focus()
            self.refresh_bindings()
        self._show()

    def _show(self) -> None:
        head = Content.assemble(("Which labels are wrong?", "bold $accent"), (f" · {self._summary()}", MUTED))
        self.query_one("#head", FixedText).show(head)
        self.query_one("#about", FixedText).show(self._about())
        if self.selected is not None:
            self.query_one(ExplanationPanel).show(self._explanations.latest, heated=self._heated)

    def _summary(self) -> str:
        answer = self._process.latest
        if self._report is not None:
            wrong = sum(suspect.wrong for suspect in self._report.suspects)
            marked = sum(mark.mark == WRONG for mark in self._marks.values())
            found = f"{wrong:,} of {len(self._report.suspects):,} likely · {marked:,} marked wrong"
            return f"{found} · {self._report.warning}" if self._report.warning else found
        if answer is None:
            return ""
        share = "" if answer.fraction is None else f" {answer.fraction:.0%}".replace("%", " %")
        return answer.problem or f"{answer.doing} …{share}"

    def _about(self) -> Content:
        if (suspect := self.selected) is None or self._report is None:
            return Content("")
        mark, classes = self._marks.get(suspect.image.key), self._report.classes
        parts = [
            f"{suspect.image.split} · label {classes[suspect.image.label]} {units.percent(suspect.probability)}",
            f"suggested {classes[suspect.suggested]}",
            "likely wrong" if suspect.wrong else "",
            f"marked {mark.mark}" if mark else "",
            self._copies(suspect),
        ]
        return Content(plain(" · ".join(filter(None, parts)), 400))

    def _copies(self, suspect: Suspect) -> str:
        """Return which image the suspect is a copy of, if any."""
        assert self._report is not None
        for pair in self._report.pairs:
            if suspect.image in (pair.first, pair.second):
                other = pair.second if suspect.image == pair.first else pair.first
                return f"{'identical' if pair.exact else 'similar'} to {other.split} {other.name}"
        return ""

    @property
    def selected(self) -> Suspect | None:
        row = self.query_one(SuspectsTable).cursor_row
        suspects = self._report.suspects[:ROWS] if self._report else ()
        return suspects[row] if 0 <= row < len(suspects) else None

    def on_data_table_row_highlighted(self) -> None:
        if (suspect := self.selected) is not None:
            image = suspect.image
            source = Source(image.split, image.index, image.file)
            folder, side = str(self._folder.path.absolute()), side_to_request(self.app)
            self._explanations.request(ExplainRequest(folder, "last", source, side))
            self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action in ("mark", "choose", "unmark"):
            return self.selected is not None and self._may_mark
        return self._report is not None if action in ("export", "move", "heat") else True

    def action_move(self, rows: int) -> None:
        table = self.query_one(SuspectsTable)
        table.move_cursor(row=min(max(table.cursor_row + rows, 0), table.row_count - 1))

    def action_heat(self) -> None:
        self._heated = not self._heated
        self._show()

    def action_mark(self, mark: str) -> None:
        if (suspect := self.selected) is not None and self._report is not None:
            suggested = self._report.classes[suspect.suggested] if mark == WRONG else ""
            self._store(suspect, Mark(self._report.classes[suspect.image.label], mark, suggested))
            self.action_move(1)

    def action_unmark(self) -> None:
        if (suspect := self.selected) is not None:
            self._store(suspect, None)

    def action_choose(self) -> None:
        if (suspect := self.selected) is None or self._report is None:
            return
        classes, label = self._report.classes, suspect.image.label

        def answer(chosen: tuple[str, ...]) -> None:
            index = int(chosen[0])
            self._store(suspect, Mark(classes[label], RIGHT if index == label else WRONG, classes[index]))
            self.action_move(1)

        options = [(str(index), name, "the label" if index == label else "") for index, name in enumerate(classes)]
        self.post_message(AskChoice("The right class", options, answer, (str(suspect.suggested),)))

    def _store(self, suspect: Suspect, mark: Mark | None) -> None:
        """Change the mark of an image in the file, then on the screen."""
        marks = {key: value for key, value in self._marks.items() if key != suspect.image.key}
        if mark is not None:
            marks[suspect.image.key] = mark
        try:
            write_marks(marks_file(self._folder), marks)
        except RunError as error:
            self.show_error(error)
            return
        self._marks = marks
        self.query_one(SuspectsTable).update_mark(suspect, mark)
        self._show()

    def exports(self) -> Sequence[Export]:
        tables = mark_exports(self._report, self._marks) if self._report else []
        return [*tables, self.picture_export("suspects")]
