"""List the sweeps of the runs folder with their progress."""

from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.errors import RunError
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.text import counted, plain
from tuitrain.widgets.messages import OpenSweep
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.refresh import PollingScreen

COLUMNS = ("sweep", "status", "runs", "best", "with", "age")


class SweepList(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open", tooltip="Open the sweep", id="sweeps.open"),
        Binding("j,down", "cursor_down", tooltip="Next sweep", show=False, id="sweeps.down"),
        Binding("k,up", "cursor_up", tooltip="Previous sweep", show=False, id="sweeps.up"),
    ]


class SweepsScreen(PollingScreen):
    """A table of the sweeps, newest first."""

    CSS_PATH = "sweep.tcss"
    TITLE = "Sweeps"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", tooltip="Back", id="sweeps.back"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._runs_dir = runs_dir
        self._indexes: dict[str, SweepIndex] = {}

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield SweepList(cursor_type="row", cell_padding=1)
        yield FittingFooter()

    def on_mount(self) -> None:
        table = self.query_one(SweepList)
        for column in COLUMNS:
            table.add_column(Text(column), key=column)

    def tick(self) -> None:
        notifications.set_title(self.app, "tuitrain · sweeps")
        self._indexes = {
            folder.id: self._indexes.get(folder.id, SweepIndex(folder)) for folder in list_sweeps(self._runs_dir)
        }
        rows = {key: _row(index) for key, index in self._indexes.items()}
        table = self.query_one(SweepList)
        if list(rows) != [key.value for key in table.rows]:
            table.clear()
            for key, cells in rows.items():
                table.add_row(*map(Text, cells), key=key)
        else:
            for key, cells in rows.items():
                for column, cell in zip(COLUMNS, cells, strict=True):
                    table.update_cell(key, column, Text(cell), update_width=True)
        self.query_one("#head", FixedText).show(Content(counted(len(rows), "sweep")))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if index := self._indexes.get(event.row_key.value or ""):
            self.post_message(OpenSweep(index.folder))


def _created(id: str) -> float | None:
    """Return the time at the start of a sweep's id, as in `20261129-072549-name-dc9a`; None if there is none."""
    try:
        return datetime.strptime(id[:15], "%Y%m%d-%H%M%S").timestamp()
    except ValueError:
        return None


def _row(index: SweepIndex) -> list[str]:
    folder = index.folder
    try:
        sweep, outcomes = folder.sweep(), index.refresh()
        done = sum(outcome.done for outcome in outcomes)
        status = sweep_status(folder, outcomes)
        best = analysis.best(analysis.results(sweep, outcomes), sweep.higher_is_better)
        title = analysis.column_title(sweep, sweep.objective)
        score = f"{title} {analysis.format_metric(sweep.objective, best[1].mean)}" if best else ""
        if outcomes and all(outcome.status == "failed" for outcome in outcomes):
            status = "all failed"
        values = analysis.describe_values(sweep.used(folder.values(best[0]) or {})) if best else ""
        cells = [sweep.name, status, f"{done}/{len(outcomes)}", score, values, units.ago(_created(folder.id))]
    except RunError as error:
        cells = [folder.id, "damaged", "", "", str(error), ""]
    return [plain(cell, 80) for cell in cells]
