"""The runs table. It draws only the visible rows, so that thousands of runs cost no more than a screenful."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.analysis.table.columns import Column
from tuitrain.analysis.table.markers import RunMarker
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.shorten import shorten
from tuitrain.widgets.tables.runs_columns import GAP, MARKER, RunColumns
from tuitrain.widgets.terminal.colors import STATUS_COLORS

SIGNS = {"running": "●", "paused": "‖", "queued": "…", "finished": "✓", "stopped": "■", "failed": "✗",
         "interrupted": "!", "damaged": "?"}  # fmt: skip
ASCII_SIGNS = {"running": ">", "paused": "=", "queued": ".", "finished": "+", "stopped": "#", "failed": "x",
               "interrupted": "!", "damaged": "?"}  # fmt: skip


class RunTable(ScrollView, can_focus=True):
    """A table whose cursor stays on its run while others appear, disappear and move."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--header", "run-table--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Open the run", id="runs.open"),
        Binding("j,down", "move(1)", tooltip="Next run", show=False, id="runs.down"),
        Binding("k,up", "move(-1)", tooltip="Previous run", show=False, id="runs.up"),
        Binding("pagedown", "page(1)", tooltip="Page down", show=False, id="runs.page_down"),
        Binding("pageup", "page(-1)", tooltip="Page up", show=False, id="runs.page_up"),
        Binding("g,home", "move(-1_000_000_000)", tooltip="First run", show=False, id="runs.first"),
        Binding("G,end", "move(1_000_000_000)", tooltip="Last run", show=False, id="runs.last"),
        Binding("l,right", "side(1)", tooltip="Scroll right", show=False, id="runs.right"),
        Binding("h,left", "side(-1)", tooltip="Scroll left", show=False, id="runs.left"),
    ]

    class Moved(Message):
        """The cursor moved to another run."""

    class Opened(Message):
        """The user opens the run under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[Entry] = ()
        self._layout = RunColumns()
        self.cursor = 0
        self._marks: Mapping[str, RunMarker] = {}
        self._sorted = ("", False)
        self._keys: Sequence[str] = ()
        self._show_all = False
        self._styles: dict[str, Style] = {}
        # The id of the run that the user last moved the cursor to.
        self._cursor_id = ""
        self._drawn: list[Strip] = []
        self._arranged_size = Size(0, 0)
        self._styles_outdated = False
        self._utf8 = utf8_locale()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        if self.size != self._arranged_size:
            self._arrange()

    def render_lines(self, crop: Region) -> list[Strip]:
        # On the first frame the size is known here, but the resize event only follows a frame later.
        self.on_resize()
        if self._styles_outdated:
            self._drawn = self._all_lines()
        return super().render_lines(crop)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return bool(self.entries) if action == "open" else True

    @property
    def columns(self) -> list[Column]:
        return self._layout.columns

    @property
    def selected(self) -> Entry | None:
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    @property
    def lines(self) -> list[list[str]]:
        """The titles and the cells of all runs, with the visible columns."""
        rows = ([column.text(entry) for column in self.columns] for entry in self.entries)
        return [[self._layout.title(column) for column in self.columns], *rows]

    def show(
        self,
        entries: Sequence[Entry],
        keys: Sequence[str],
        *,
        show_all: bool = False,
        sorted_by: tuple[str, bool] = ("", False),
        marks: Mapping[str, RunMarker] | None = None,
    ) -> None:
        """Show the entries with the columns `keys`, as many as fit, or `show_all`; `sorted_by` is a key and whether
        descending."""
        before = self.selected
        self._keys, self._show_all, self._sorted, self._marks = keys, show_all, sorted_by, marks or {}
        if self.entries is not entries:
            self.entries = entries
            self._layout.set_entries(entries)
            self._restore_cursor(before)
        self._arrange()
        self._notify_move(before)

    def _restore_cursor(self, before: Entry | None) -> None:
        """Move the cursor to the run it was put on, or if that is hidden, keep it on `before`."""
        self.cursor = min(self.cursor, max(0, len(self.entries) - 1))
        if self._cursor_id:
            rows = {entry.folder.id: row for row, entry in enumerate(self.entries)}
            fallback = rows.get(before.folder.id, self.cursor) if before else self.cursor
            self.cursor = rows.get(self._cursor_id, fallback)

    def _notify_move(self, before: Entry | None) -> None:
        now = self.selected
        if (before and before.folder.id) != (now and now.folder.id):
            self.post_message(self.Moved())

    def _arrange(self) -> None:
        """Choose the visible columns, then scroll and draw."""
        if not self.is_mounted or not self.size.width:
            self._arranged_size = Size(0, 0)
            return
        self._arranged_size = self.size
        room = self.scrollable_content_region.width or self.size.width
        self._layout.fit(self._keys, self._sorted[0], self.size.width, room, show_all=self._show_all)
        self.virtual_size = Size(max(self._layout.total_width, 1), len(self.entries) + 1)
        self._scroll_to_cursor()
        self._draw()

    def _scroll_to_cursor(self) -> None:
        height = max(1, self.scrollable_content_region.height - 1)
        top = round(self.scroll_y)
        # No empty lines below the last run, also after the table has grown.
        top = min(top, max(0, len(self.entries) - height))
        target = min(max(top, self.cursor - height + 1), self.cursor)
        if target != round(self.scroll_y):
            self.scroll_to(y=target, animate=False, immediate=True, force=True)

    def move_to(self, row: int) -> None:
        before = self.selected
        old, self.cursor = self.cursor, max(0, min(len(self.entries) - 1, row))
        self._cursor_id = self.selected.folder.id if self.selected else ""
        if self.cursor == old:
            return
        self._scroll_to_cursor()
        self._draw()
        self._notify_move(before)

    def action_move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def action_page(self, screens: int) -> None:
        self.move_to(self.cursor + screens * max(1, self.scrollable_content_region.height - 2))

    def action_side(self, direction: int) -> None:
        self.scroll_to(x=self.scroll_x + 12 * direction, animate=False, immediate=True)

    def action_open(self) -> None:
        # Opening a run is like moving to it: the cursor stays on it when a filter is cleared.
        self._cursor_id = self.selected.folder.id if self.selected else ""
        self.post_message(self.Opened())

    def notify_style_update(self) -> None:
        # Header and cursor get their new style only when the table is painted.
        super().notify_style_update()
        self._styles.clear()
        self._styles_outdated = True

    def render_line(self, y: int) -> Strip:
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> None:
        """Refresh only the lines that changed, to save bytes over a slow connection."""
        before, self._drawn = self._drawn, self._all_lines()
        for y, (old, new) in enumerate(zip_longest(before, self._drawn)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _all_lines(self) -> list[Strip]:
        self._styles_outdated = False
        return [self._line(y) for y in range(self.size.height)]

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._draw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._draw()

    def _line(self, y: int) -> Strip:
        row = y + round(self.scroll_y) - 1
        if not self._layout.columns:
            return Strip.blank(self.size.width, self.rich_style)
        if not y:
            base, left, right = self._base("run-table--header"), *self._header()
        elif row < len(self.entries):
            under = row == self.cursor
            base = self._base("run-table--cursor" if under else "")
            left, right = self._cells(self.entries[row])
        else:
            return Strip.blank(self.size.width, self._base(""))
        width = self.scrollable_content_region.width
        fixed = Strip(left).adjust_cell_length(min(width, sum(segment.cell_length for segment in left)))
        shift = round(self.scroll_x)
        rest = Strip(right).crop(shift, shift + width - fixed.cell_length)
        line = Strip.join([fixed, rest]).extend_cell_length(width)
        if not y and (more := self._more_sign()):
            line = Strip.join([line.crop(0, width - len(more)), Strip([Segment(more, self._style("accent"))])])
        return line.apply_style(base)

    def _more_sign(self) -> str:
        """Return a sign for columns to the right, or for hidden ones."""
        if self.scroll_x < self.max_scroll_x:
            return " ›" if self._utf8 else " >"
        return " …" if self._layout.some_hidden else ""

    def _header(self) -> tuple[list[Segment], list[Segment]]:
        cells = []
        for column, width in zip(self._layout.columns, self._layout.widths, strict=True):
            is_sorted = column.key == self._sorted[0]
            arrow = ("↓" if self._sorted[1] else "↑") if self._utf8 else ("v" if self._sorted[1] else "^")
            title = "" if column.key == "status" and self._layout.brief_status else self._layout.title(column)
            title = f"{title} {arrow}" if is_sorted else title
            cells.append(
                Segment(_fit(title, width, right=column.right) + " " * GAP, self._style("accent" if is_sorted else ""))
            )
        return [Segment(" " * MARKER), cells[0]], cells[1:]

    def _cells(self, entry: Entry) -> tuple[list[Segment], list[Segment]]:
        mark = self._marks.get(entry.folder.id)
        sign = "" if mark is None else mark.marker if self._utf8 else mark.ascii
        color = STATUS_COLORS.get(entry.status, "")
        cells = [Segment(sign.ljust(MARKER), self._style(f"series-{mark.number}" if mark else ""))]
        damaged = entry.status == "damaged"
        for column, width in zip(self._layout.columns, self._layout.widths, strict=True):
            text, style = ("" if damaged else self._layout.text(entry, column)), Style.null()
            if column.key == "run":
                text, style = self._layout.name(entry), Style(bold=True)
            elif column.key == "status":
                text, style = self._status(entry, column), self._style(color)
            cells.append(Segment(_fit(text, width, right=column.right) + " " * GAP, style))
        if damaged:
            cells[3:] = [Segment(plain(entry.problem, 200), self._style("secondary"))]
        return cells[:2], cells[2:]

    def _status(self, entry: Entry, column: Column) -> str:
        if self._layout.brief_status:
            return SIGNS[entry.status] if self._utf8 else ASCII_SIGNS[entry.status]
        sign = f"{SIGNS[entry.status]} " if self._utf8 else ""
        return sign + self._layout.text(entry, column)

    def _base(self, part: str) -> Style:
        return self.get_component_rich_style(part) if part else self.rich_style

    def _style(self, variable: str) -> Style:
        if variable not in self._styles:
            color = self.app.theme_variables.get(variable, "") if variable else ""
            self._styles[variable] = Style.parse(color) if color.startswith("#") and len(color) == 7 else Style.null()
        return self._styles[variable]


def _fit(text: str, width: int, *, right: bool) -> str:
    text = shorten(text, width)
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding
