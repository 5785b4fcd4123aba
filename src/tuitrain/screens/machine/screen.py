"""Show what the GPUs of this machine do and who uses them."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from tuitrain.errors import RunError
from tuitrain.machine.gpus import Gpus
from tuitrain.machine.load import Machine, disk
from tuitrain.machine.tables import disk_text, gpu_lines, load_text, problems, user_lines
from tuitrain.machine.users import runs_by_process
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.refresh import BUDGET, PollingScreen


class LineTable(DataTable[Text]):
    """A table of lines, titles first, that keeps its scroll position while the lines change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "scroll", key_display="↑ ↓", tooltip="Scroll down", id="machine.down"),
        Binding("k,up", "scroll_up", tooltip="Scroll up", show=False, id="machine.up"),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="none", cell_padding=1)

    def show(self, lines: list[list[str]]) -> None:
        titles, *rows = lines
        if not self.columns:
            self.add_columns(*map(Text, titles))
        self.display = bool(rows)
        while self.row_count > len(rows):
            self.remove_row(list(self.rows)[-1])
        for number, row in enumerate(rows):
            if number == self.row_count:
                self.add_row(*map(Text, row))
            for column, text in enumerate(row):
                if self.get_cell_at(Coordinate(number, column)).plain != text:
                    self.update_cell_at(Coordinate(number, column), Text(text), update_width=True)


class MachineScreen(PollingScreen):
    """The GPUs, the processes on them, and how busy the rest of the machine is."""

    CSS_PATH = "machine.tcss"
    TITLE = "Machine"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,U", "dismiss", "back", key_display="esc", tooltip="Back", id="machine.back"),
    ]

    def __init__(self, runs_dir: Path, watch: GpuWatch) -> None:
        super().__init__()
        self._runs_dir, self._watch = runs_dir, watch
        self._index, self._machine = RunIndex(runs_dir), Machine()
        # The use of the CPU is known from the second measurement.
        self._cpu_known = False

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield FixedText(id="disk")
        yield FixedText(id="problem")
        yield LineTable("gpus")
        yield LineTable("users")
        yield FittingFooter()

    @property
    def urgent(self) -> bool:
        return self._watch.latest is None or not self._cpu_known

    def tick(self) -> None:
        notifications.set_title(self.app, "tuitrain · machine")
        self._show(self._watch.look(self._runs))

    def _runs(self) -> dict[int, str]:
        try:
            return runs_by_process(self._index.refresh(BUDGET))
        except RunError:
            return {}

    def _show(self, gpus: Gpus | None) -> None:
        space = disk(self._runs_dir)
        load = self._machine.load()
        self._cpu_known = load.cpu is not None
        self.query_one("#head", FixedText).show(Content(f"machine · {load_text(load)}"))
        self.query_one("#disk", FixedText).show(Content(disk_text(space) if space else ""))
        sentences = ["Asking the NVIDIA driver …"] if gpus is None else problems(gpus)
        problem = self.query_one("#problem", FixedText)
        problem.show(Content("\n".join(sentences)))
        problem.display = bool(sentences)
        lines = gpu_lines(gpus or Gpus())
        table = self.query_one("#gpus", LineTable)
        table.show(lines)
        table.styles.height = len(lines)
        self.query_one("#users", LineTable).show(user_lines(gpus or Gpus()))
