"""Runs: what do I have, and what is going on?"""

from collections import Counter
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable, Footer, Static

from tuitrain.analysis import summary
from tuitrain.errors import RunError
from tuitrain.runs.index import RunIndex
from tuitrain.runs.listing import Entry
from tuitrain.text import plain
from tuitrain.widgets.navigation import NewRun, OpenRun
from tuitrain.widgets.ticking import TickingScreen

EMPTY = """\
No runs yet.

Press [b]n[/b] to set one up: the digits that are built in need no network,
and train in a few seconds.

Runs are kept in {folder}."""

MARKS = {"running": "●", "paused": "‖", "queued": "…", "finished": "✓", "stopped": "■", "failed": "✗",
         "interrupted": "!", "damaged": "?"}  # fmt: skip
COLORS = {"running": "accent", "paused": "warning", "finished": "success", "failed": "error",
          "interrupted": "warning", "damaged": "error"}  # fmt: skip
RIGHT = ("lr", "epochs", "best val", "test", "time")


class Runs(TickingScreen):
    """The home screen: a table of the folder's runs, newest first."""

    CSS_PATH = "runs.tcss"
    TITLE = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", tooltip="Set up a new run", id="runs.new"),
        Binding("enter", "open", "open", tooltip="Watch the run, or see its results", id="runs.open"),
        Binding("y", "clone", "clone", tooltip="A new run with the settings of this one", id="runs.clone"),
        Binding("j,down", "cursor('down')", tooltip="Next run", show=False),
        Binding("k,up", "cursor('up')", tooltip="Run before", show=False),
        Binding("g,home", "cursor('top')", tooltip="First run", show=False),
        Binding("G,end", "cursor('bottom')", tooltip="Last run", show=False),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._index = RunIndex(runs_dir)
        self._entries: dict[str, Entry] = {}
        self._cells: dict[str, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        table: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=False, cell_padding=1)
        for column in ("", *summary.COLUMNS):
            table.add_column(Text(column, justify="right" if column in RIGHT else "left"), key=column or "mark")
        yield table
        yield Static(id="empty")
        yield Static(id="detail")
        yield Footer(show_command_palette=False)

    def tick(self) -> None:
        try:
            entries = self._index.refresh()
            problem = ""
        except RunError as error:
            entries, problem = [], str(error)
        self._entries = {entry.folder.id: entry for entry in entries}
        self.query_one(DataTable).display = bool(entries)
        empty = self.query_one("#empty", Static)
        empty.display = not entries
        text = Content(problem) if problem else Content.from_markup(EMPTY, folder=_home(self._index.runs_dir))
        empty.update(text)
        self._fill()
        self._head()
        self._detail()
        self.refresh_bindings()

    def _head(self) -> None:
        counts = Counter(entry.status for entry in self._entries.values())
        said = [f"{len(self._entries)} run{'s' * (len(self._entries) != 1)}"]
        said += [f"{counts[status]} {status}" for status in ("running", "paused", "interrupted") if counts[status]]
        folder = _home(self._index.runs_dir)
        self.query_one("#head", Static).update(
            Content.assemble(("tuitrain", "bold $accent"), (f" · {folder} · {', '.join(said)}", "$text-muted"))
        )

    def _fill(self) -> None:
        """Change the cells that differ; only where runs came or went, build the table anew."""
        table: DataTable[Text] = self.query_one(DataTable)
        rows = {key: tuple(summary.cells(entry).values()) for key, entry in self._entries.items()}
        if list(rows) != list(self._cells):
            selected = self._selected_id()
            table.clear()
            for key, cells in rows.items():
                table.add_row(*self._row(key, cells), key=key)
            if selected in rows:
                table.move_cursor(row=table.get_row_index(selected), animate=False)
        else:
            for key, cells in rows.items():
                if cells != self._cells[key]:
                    for column, cell in zip(("mark", *summary.COLUMNS), self._row(key, cells), strict=True):
                        table.update_cell(key, column, cell, update_width=True)
        self._cells = rows

    def _row(self, key: str, cells: tuple[str, ...]) -> list[Text]:
        status = self._entries[key].status
        color = self.app.theme_variables.get(COLORS.get(status, ""), "")
        row = [Text(MARKS[status], style=color)]
        for column, cell in zip(summary.COLUMNS, cells, strict=True):
            style = color if column == "status" else "bold" if column == "run" else ""
            row.append(Text(cell, style=style, justify="right" if column in RIGHT else "left"))
        return row

    def _selected_id(self) -> str:
        table: DataTable[Text] = self.query_one(DataTable)
        shown = list(self._cells)
        return shown[table.cursor_row] if 0 <= table.cursor_row < len(shown) else ""

    @property
    def selected(self) -> Entry | None:
        """The run under the cursor."""
        return self._entries.get(self._selected_id())

    def _detail(self) -> None:
        entry = self.selected
        self.query_one("#detail", Static).update(Content(_about(entry)) if entry else "")

    def on_data_table_row_highlighted(self) -> None:
        self._detail()

    def on_data_table_row_selected(self) -> None:
        self.action_open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return bool(self._entries) if action in ("open", "clone") else True

    def action_new(self) -> None:
        self.post_message(NewRun())

    def action_open(self) -> None:
        if self.selected is not None:
            self.post_message(OpenRun(self.selected.folder))

    def action_clone(self) -> None:
        if self.selected is not None and self.selected.status != "damaged":
            self.post_message(NewRun(self.selected.config, self.selected.info.name))

    def action_cursor(self, where: str) -> None:
        table: DataTable[Text] = self.query_one(DataTable)
        actions = {"down": table.action_cursor_down, "up": table.action_cursor_up,
                   "top": table.action_scroll_top, "bottom": table.action_scroll_bottom}  # fmt: skip
        actions[where]()


def _home(path: Path) -> str:
    """The path as people write it."""
    absolute = path.absolute()
    home = Path.home()
    return plain(f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else absolute)


def _about(entry: Entry) -> str:
    """Two lines on the run: how it ended or stands, and what makes it differ from the defaults."""
    from tuitrain.config.values import changed, to_text

    reason = entry.problem or entry.state.reason
    settings = " ".join(f"{key}={to_text(value)}" for key, value in changed(entry.config).items())
    return (
        f"{plain(entry.folder.id)}  {plain(reason)}".rstrip()
        + f"\n{plain(settings) or 'all settings at their defaults'}"
    )
