"""The table of runs: rows stay where they are while their cells change."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tuitrain.analysis import summary
from tuitrain.runs.listing import Entry

MARKS = {"running": "●", "paused": "‖", "queued": "…", "finished": "✓", "stopped": "■", "failed": "✗",
         "interrupted": "!", "damaged": "?"}  # fmt: skip
COLORS = {"running": "accent", "paused": "warning", "finished": "success", "failed": "error",
          "interrupted": "warning", "damaged": "error"}  # fmt: skip
RIGHT = ("lr", "epochs", "best val", "test", "time")


class RunTable(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open", tooltip="Watch the run, or see its results", id="runs.open"),
        Binding("j,down", "cursor_down", tooltip="Next run", show=False, id="runs.down"),
        Binding("k,up", "cursor_up", tooltip="Run before", show=False, id="runs.up"),
        Binding("g,home", "scroll_top", tooltip="First run", show=False, id="runs.first"),
        Binding("G,end", "scroll_bottom", tooltip="Last run", show=False, id="runs.last"),
    ]

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cell_padding=1)
        self._entries: dict[str, Entry] = {}
        self._cells: dict[str, tuple[str, ...]] = {}

    def on_mount(self) -> None:
        for column in ("", *summary.COLUMNS):
            self.add_column(Text(column, justify="right" if column in RIGHT else "left"), key=column or "mark")
        self.app.theme_changed_signal.subscribe(self, lambda _: self._again())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._cells) if action == "select_cursor" else super().check_action(action, parameters)

    @property
    def selected(self) -> Entry | None:
        """The run under the cursor."""
        keys = list(self._cells)
        return self._entries.get(keys[self.cursor_row]) if 0 <= self.cursor_row < len(keys) else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Change the cells that differ; only where runs came or went, build the table anew around the cursor's run."""
        selected = self.selected
        self._entries = {entry.folder.id: entry for entry in entries}
        rows = {key: tuple(summary.cells(entry).values()) for key, entry in self._entries.items()}
        if list(rows) != list(self._cells):
            self.clear()
            for key, cells in rows.items():
                self.add_row(*self._row(key, cells), key=key)
            if selected is not None and selected.folder.id in rows:
                self.move_cursor(row=self.get_row_index(selected.folder.id), animate=False)
        else:
            for key, cells in rows.items():
                if cells != self._cells[key]:
                    self._fill(key, cells)
        self._cells = rows

    def _fill(self, key: str, cells: tuple[str, ...]) -> None:
        for column, cell in zip(("mark", *summary.COLUMNS), self._row(key, cells), strict=True):
            self.update_cell(key, column, cell, update_width=True)

    def _again(self) -> None:
        """The colours of cells are the theme's."""
        for key, cells in self._cells.items():
            self._fill(key, cells)

    def _row(self, key: str, cells: tuple[str, ...]) -> list[Text]:
        status = self._entries[key].status
        color = self.app.theme_variables.get(COLORS.get(status, ""), "")
        row = [Text(MARKS[status], style=color)]
        for column, cell in zip(summary.COLUMNS, cells, strict=True):
            style = color if column == "status" else "bold" if column == "run" else ""
            row.append(Text(cell, style=style, justify="right" if column in RIGHT else "left"))
        return row
