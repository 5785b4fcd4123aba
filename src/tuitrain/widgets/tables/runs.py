"""The table of runs. It draws only the rows in view, so thousands cost no more than a screenful."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.analysis.table.columns import Column, columns
from tuitrain.analysis.table.layout import table_order
from tuitrain.analysis.table.markers import RunMarker
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain, utf8_locale

SIGNS = {"running": "●", "paused": "‖", "queued": "…", "finished": "✓", "stopped": "■", "failed": "✗",
         "interrupted": "!", "damaged": "?"}  # fmt: skip
COLORS = {"running": "accent", "paused": "warning", "finished": "success", "failed": "error",
          "interrupted": "warning", "damaged": "error"}  # fmt: skip
GAP = 2
# Cells before the name: the mark of a marked run. Cells of the name at most, on a narrow and on a wide screen.
MARK, NAME, NAME_WIDE, WIDE = 2, 20, 36, 100
# Cells at the end of the header for a sign that there are more columns.
MORE = 2


class RunTable(ScrollView, can_focus=True):
    """The cursor stays on its run while others come, go and change places."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--header", "run-table--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Watch the run, or see its results", id="runs.open"),
        Binding("j,down", "move(1)", tooltip="Next run", show=False, id="runs.down"),
        Binding("k,up", "move(-1)", tooltip="Run before", show=False, id="runs.up"),
        Binding("pagedown", "page(1)", tooltip="A screen down", show=False, id="runs.page_down"),
        Binding("pageup", "page(-1)", tooltip="A screen up", show=False, id="runs.page_up"),
        Binding("g,home", "move(-1_000_000_000)", tooltip="First run", show=False, id="runs.first"),
        Binding("G,end", "move(1_000_000_000)", tooltip="Last run", show=False, id="runs.last"),
        Binding("l,right", "side(1)", tooltip="Columns to the right", show=False, id="runs.right"),
        Binding("h,left", "side(-1)", tooltip="Columns to the left", show=False, id="runs.left"),
    ]

    class Moved(Message):
        """Another run is under the cursor."""

    class Opened(Message):
        """The run under the cursor is to be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[Entry] = ()
        self.columns: list[Column] = []
        self.cursor = 0
        self._marks: Mapping[str, RunMarker] = {}
        self._sorted = ("", False)
        self._wanted: Sequence[str] = ()
        self._chosen = False
        self._texts: dict[str, tuple[Entry, dict[str, str]]] = {}
        self._widths: list[int] = []
        self._left_out = False
        self._widest: dict[str, int] = {}
        self._styles: dict[str, Style] = {}
        # The id of the run that the cursor was last put on.
        self._kept = ""
        self._drawn: list[Strip] = []
        self._arranged = Size(0, 0)
        self._stale = False
        self._signs = utf8_locale()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        if self.size != self._arranged:
            self._arrange()

    def render_lines(self, crop: Region) -> list[Strip]:
        # The first time the size is known here before it is told, which would be a frame later.
        self.on_resize()
        if self._stale:
            self._drawn = self._all_lines()
        return super().render_lines(crop)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return bool(self.entries) if action == "open" else True

    @property
    def selected(self) -> Entry | None:
        """The run under the cursor."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def show(
        self,
        entries: Sequence[Entry],
        wanted: Sequence[str],
        *,
        chosen: bool = False,
        sorted_by: tuple[str, bool] = ("", False),
        marks: Mapping[str, RunMarker] | None = None,
    ) -> None:
        """`wanted` are keys of columns: all of them where the user chose them, else as many of the first as there is
        room for. `sorted_by` is a column's key, and whether it falls."""
        before = self.selected
        self._wanted, self._chosen, self._sorted, self._marks = wanted, chosen, sorted_by, marks or {}
        if self.entries is not entries:
            self._take(entries)
            self._follow(before)
        self._arrange()
        self._tell(before)

    def _follow(self, before: Entry | None) -> None:
        """To the run it was put on, or while that is not shown, the one it is on; where it was never moved, the top."""
        self.cursor = min(self.cursor, max(0, len(self.entries) - 1))
        if self._kept:
            places = {entry.folder.id: row for row, entry in enumerate(self.entries)}
            other = places.get(before.folder.id, self.cursor) if before else self.cursor
            self.cursor = places.get(self._kept, other)

    def _tell(self, before: Entry | None) -> None:
        now = self.selected
        if (before and before.folder.id) != (now and now.folder.id):
            self.post_message(self.Moved())

    def _take(self, entries: Sequence[Entry]) -> None:
        """The texts of a run's cells are made once for as long as it does not change; columns grow with runs that do,
        and are measured anew where others are shown."""
        before, self.entries = self._texts, entries
        self._texts = {}
        for entry in entries:
            known = before.get(entry.folder.id)
            self._texts[entry.folder.id] = known if known and known[0] is entry else (entry, {})
        if before.keys() != self._texts.keys():
            self._widest = {}
        changed = [entry for entry, texts in self._texts.values() if not texts]
        for key, width in self._widest.items():
            self._widest[key] = max(width, self._width(columns()[key], changed))

    def _text(self, entry: Entry, column: Column) -> str:
        texts = self._texts[entry.folder.id][1]
        found = None if column.key == "age" else texts.get(column.key)
        if found is None:
            found = texts[column.key] = column.text(entry)
        return found

    def _arrange(self) -> None:
        """Choose the columns, and give each the width of its widest cell."""
        if not self.is_mounted or not self.size.width:
            self._arranged = Size(0, 0)
            return
        run = columns()["run"]
        self._arranged = self.size
        most = NAME_WIDE if self.size.width >= WIDE else NAME
        room = self.scrollable_content_region.width or self.size.width
        name = min(most, self._room(run))
        widths = self._fitting(room - MARK - name)
        if len(widths) < len(self._wanted):
            widths = self._fitting(room - MARK - name - MORE)
        self._left_out = len(widths) < len(self._wanted)
        self.columns = [run, *(columns()[key] for key in table_order(widths))]
        self._widths = [name, *(widths[column.key] for column in self.columns[1:])]
        used = MARK + sum(self._widths) + GAP * len(self._widths[1:])
        self.virtual_size = Size(max(used, 1), len(self.entries) + 1)
        self._keep_in_view()
        self._draw()

    def _fitting(self, room: int) -> dict[str, int]:
        """The widths of the columns behind the name, all of those that the user chose."""
        widths: dict[str, int] = {}
        for key in self._wanted:
            width = self._room(columns()[key])
            if self._chosen or width + GAP <= room:
                widths[key] = width
                room -= width + GAP
        return widths

    def _room(self, column: Column) -> int:
        """The cells that the column needs, its title included."""
        if column.key not in self._widest:
            self._widest[column.key] = self._width(column, self.entries)
        return max(self._widest[column.key], cell_len(column.title) + 2 * (column.key == self._sorted[0]))

    def _width(self, column: Column, entries: Sequence[Entry]) -> int:
        if column.key == "run":
            texts = {plain(entry.info.name, 60) for entry in entries}
        else:
            texts = {self._text(entry, column) for entry in entries if entry.status != "damaged"}
        if column.key == "status":
            texts = {f"? {text}" for text in (*texts, "damaged")}
        return max(map(cell_len, texts), default=0)

    def _keep_in_view(self) -> None:
        height = max(1, self.scrollable_content_region.height - 1)
        top = round(self.scroll_y)
        wanted = min(max(top, self.cursor - height + 1), self.cursor)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True, force=True)

    def move_to(self, row: int) -> None:
        before = self.selected
        old, self.cursor = self.cursor, max(0, min(len(self.entries) - 1, row))
        self._kept = self.selected.folder.id if self.selected else ""
        if self.cursor == old:
            return
        self._keep_in_view()
        self._draw()
        self._tell(before)

    def action_move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def action_page(self, screens: int) -> None:
        self.move_to(self.cursor + screens * max(1, self.scrollable_content_region.height - 2))

    def action_side(self, direction: int) -> None:
        self.scroll_to(x=self.scroll_x + 12 * direction, animate=False, immediate=True)

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def notify_style_update(self) -> None:
        # The header and the cursor have their new style only later, when the table is painted.
        super().notify_style_update()
        self._styles.clear()
        self._stale = True

    def render_line(self, y: int) -> Strip:
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> None:
        """Only lines that differ from those on the screen are sent: a slow terminal line has little room."""
        before, self._drawn = self._drawn, self._all_lines()
        for y, (old, new) in enumerate(zip_longest(before, self._drawn)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _all_lines(self) -> list[Strip]:
        self._stale = False
        return [self._line(y) for y in range(self.size.height)]

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._draw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._draw()

    def _line(self, y: int) -> Strip:
        row = y + round(self.scroll_y) - 1
        if not self.columns:
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
        if not y and (more := self._more()):
            line = Strip.join([line.crop(0, width - len(more)), Strip([Segment(more, self._style("accent"))])])
        return line.apply_style(base)

    def _more(self) -> str:
        """That there are columns to the right, or some for which there was no room."""
        if self.scroll_x < self.max_scroll_x:
            return " ›" if self._signs else " >"
        return " …" if self._left_out else ""

    def _header(self) -> tuple[list[Segment], list[Segment]]:
        cells = []
        for column, width in zip(self.columns, self._widths, strict=True):
            ours = column.key == self._sorted[0]
            arrow = ("↓" if self._sorted[1] else "↑") if self._signs else ("v" if self._sorted[1] else "^")
            title = f"{column.title} {arrow}" if ours else column.title
            cells.append(
                Segment(_fit(title, width, right=column.right) + " " * GAP, self._style("accent" if ours else ""))
            )
        return [Segment(" " * MARK), cells[0]], cells[1:]

    def _cells(self, entry: Entry) -> tuple[list[Segment], list[Segment]]:
        mark = self._marks.get(entry.folder.id)
        sign = "" if mark is None else mark.marker if self._signs else mark.ascii
        color = COLORS.get(entry.status, "")
        cells = [Segment(sign.ljust(MARK), self._style(f"series-{mark.number}" if mark else ""))]
        damaged = entry.status == "damaged"
        for column, width in zip(self.columns, self._widths, strict=True):
            text, style = ("" if damaged else self._text(entry, column)), Style.null()
            if column.key == "run":
                text, style = plain(entry.info.name, 60), Style(bold=True)
            elif column.key == "status":
                sign = f"{SIGNS[entry.status]} " if self._signs else ""
                text, style = sign + self._text(entry, column), self._style(color)
            cells.append(Segment(_fit(text, width, right=column.right) + " " * GAP, style))
        if damaged:
            cells[3:] = [Segment(plain(entry.problem, 200), self._style("secondary"))]
        return cells[:2], cells[2:]

    def _base(self, part: str) -> Style:
        return self.get_component_rich_style(part) if part else self.rich_style

    def _style(self, variable: str) -> Style:
        """In the theme's colour of that name."""
        if variable not in self._styles:
            color = self.app.theme_variables.get(variable, "") if variable else ""
            self._styles[variable] = Style.parse(color) if color.startswith("#") and len(color) == 7 else Style.null()
        return self._styles[variable]


def _fit(text: str, width: int, *, right: bool) -> str:
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if right else text + " " * (width - size)
