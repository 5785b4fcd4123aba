"""Show the accuracy under noise, blur, brightness and JPEG compression."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import robustness as analysis
from tuitrain.errors import RunError
from tuitrain.hosts.preview.report import Request
from tuitrain.hosts.robustness.process import RobustnessProcess
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.robustness import Robustness, read_robustness
from tuitrain.screens.export import EXPORT, Export, ExportScreen, table_exports
from tuitrain.text import plain
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.panels.robustness_report import curves, report
from tuitrain.widgets.terminal.colors import MUTED, theme_color
from tuitrain.widgets.terminal.footer import FittingFooter


class RobustnessScreen(ExportScreen):
    """Shows the stored result for the test split, or has `process` evaluate the weights; to leave cancels this."""

    CSS_PATH = "robustness.tcss"
    TITLE = "Robustness"
    BINDINGS: ClassVar[list[BindingType]] = [
        EXPORT,
        Binding("escape,J", "close", "back", key_display="esc", tooltip="Back, or cancel", id="robustness.back"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder, process: RobustnessProcess) -> None:
        super().__init__()
        self._folder, self._process = folder, process
        self._record: Robustness | None = None
        self._chart = Chart("accuracy", x_label="strength", percent=True, label_ends=True)
        self._chart.can_focus = False

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield Static(id="table")
        yield self._chart
        yield FittingFooter()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._chart.empty = "no accuracy yet"
        title = Content.assemble(
            ("How robust is the network?", "bold $accent"), (f" · {plain(self._folder.id)}", MUTED)
        )
        self.query_one("#head", FixedText).show(title)
        self._record = self._stored()
        if self._record is None:
            self._process.request(Request(str(self._folder.path.absolute()), ""))
        self._draw()

    def _stored(self) -> Robustness | None:
        """Return the stored result for the present weights of the run, if any."""
        try:
            record = read_robustness(self._folder).get("test")
            return record if record and record.is_current(self._folder.state()) else None
        except RunError as error:
            self.show_error(error)
            return None

    @property
    def urgent(self) -> bool:
        return self._process.latest is not None and bool(self._process.latest.doing)

    def tick(self) -> None:
        answer = self._process.latest
        if self._record is None and answer is not None:
            self._record = answer.report
            self._draw()
            self.refresh_bindings()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._record is None:
            self.query_one("#table", Static).update(Content.styled(self._doing(), MUTED))
            return
        self.query_one("#table", Static).update(report(self._record, self.size.width - 2))
        colors = [theme_color(self, f"series-{number}") for number in range(1, len(self._record.corrupted) + 1)]
        self._chart.update(curves(self._record, colors))

    def _doing(self) -> str:
        """Return what the process does, or why it cannot evaluate the network."""
        if (answer := self._process.latest) is None:
            return ""
        share = "" if answer.fraction is None else f" {answer.fraction:.0%}".replace("%", " %")
        return answer.problem or f"{answer.doing} …{share} (esc cancels)"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return self._record is not None if action == "export" else True

    def action_close(self) -> None:
        self._process.cancel()
        self.dismiss()

    def exports(self) -> Sequence[Export]:
        record = self._record
        assert record is not None
        lines = analysis.table(record)
        return [*table_exports("the accuracies", "robustness", lambda: lines), self.picture_export("robustness")]
