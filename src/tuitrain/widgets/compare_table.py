"""A table with a column for each run: the first column stays, the others move so that the selected one is seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tuitrain.widgets.look import theme_color

LABEL = 27
# Cells of a column at most, at least, and at least where all columns are to be seen, with the differences left out.
WIDEST, NARROWEST, SHORT = 24, 12, 11
GAP = 2
_DIFFERENCE = re.compile(r" [-+]\S+(?: s)?$")


@dataclass(frozen=True, slots=True)
class Row:
    """`label` and a cell for each run; without cells it begins a section."""

    label: str
    cells: Sequence[Text] = ()


class CompareTable(Widget):
    """Texts must be safe to show; a cell without a colour has the foreground's."""

    DEFAULT_CSS = """
    CompareTable { width: 1fr; height: 1fr; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heads: tuple[Text, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._selected = 0
        self._first_column = 1
        self._first_row = 0

    def show(self, heads: Sequence[Text], rows: Sequence[Row], selected: int) -> None:
        """`heads` and the cells of each row are in the order of the runs, of which `selected` is shown as such."""
        given = (tuple(heads), tuple(rows), selected)
        if given != (self._heads, self._rows, self._selected):
            self._heads, self._rows, self._selected = given
            self.scroll_rows(0)

    @property
    def needed(self) -> int:
        """The width in which every column is seen whole; a multiple of four, so that it seldom changes."""
        cells = self._label_width(LABEL) + len(self._heads) * (self._widest_cell + GAP) + 2
        return 4 * -(-cells // 4)

    @property
    def _widest_cell(self) -> int:
        return min(WIDEST, max((cell.cell_len for row in self._rows for cell in row.cells), default=1))

    def _label_width(self, most: int) -> int:
        return min(most, max((len(row.label) + 1 for row in self._rows if row.cells), default=8))

    def scroll_rows(self, rows: int) -> None:
        """So many rows on, or back, as far as there are any."""
        self._first_row = max(0, min(self._first_row + rows, len(self._rows) - self._room))
        self.refresh()

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def render(self) -> Text:
        if not self._heads or self.size.width < 1:
            return Text()
        label = self._label_width(min(LABEL, max(self.size.width // 3, 8)))
        width = self._column_width(label)
        seen = self._visible(max(1, (self.size.width - label) // (width + GAP)))
        more = len(self._heads) - len(seen)
        heads = [_middle(head, width) for head in self._heads]
        lines = [self._line(Text(f"+{more} more" if more else ""), heads, seen, label, width)]
        last = self._first_row + self._room
        muted = self._style("foreground-muted")
        for row in self._rows[self._first_row : last]:
            title = Text(row.label, style=muted if row.cells else self._style("accent"))
            lines.append(self._line(title, row.cells, seen, label if row.cells else self.size.width, width))
        return Text("\n", no_wrap=True, end="").join(lines)

    def _column_width(self, label: int) -> int:
        """As wide as the widest cell, and wider for the names where that lets every column be seen; narrower where
        only that does."""
        needed = self._widest_cell
        widest = min(WIDEST, max(needed, *(head.cell_len for head in self._heads)))
        space = self.size.width - label
        shared = space // len(self._heads) - GAP
        if SHORT <= shared < needed:
            return shared
        # Two columns, so that there is something to compare with, before whole cells.
        half = space // 2 - GAP if len(self._heads) > 1 else space - GAP
        return max(1, min(max(needed, min(widest, shared)), max(half, NARROWEST), space - GAP))

    def _visible(self, count: int) -> list[int]:
        """The places of the columns that fit: the first always, and the selected."""
        others = count - 1
        if others < 1:
            return [self._selected]
        first = min(self._first_column, max(1, self._selected))
        first = max(first, self._selected - others + 1, 1)
        self._first_column = max(1, min(first, len(self._heads) - others))
        return [0, *range(self._first_column, min(self._first_column + others, len(self._heads)))]

    def _line(self, label: Text, cells: Sequence[Text], seen: Sequence[int], room: int, width: int) -> Text:
        label.truncate(room, overflow="ellipsis", pad=True)
        line = label
        for place in seen if cells else ():
            cell = Text.assemble(" ", _cut(cells[place], width))
            cell.truncate(width + 1, overflow="ellipsis", pad=True)
            if place == self._selected:
                cell.stylize(Style(bgcolor=self._style("panel").color))
            line = Text.assemble(line, " ", cell)
        return line

    def _style(self, name: str) -> Style:
        return Style(color="rgb({},{},{})".format(*theme_color(self, name)))


def _middle(head: Text, width: int) -> Text:
    """Its beginning and its end, by which names of runs differ, where there is no room for all of it."""
    if head.cell_len <= width:
        return head
    end = (width - 1) // 2
    return Text.assemble(head[: width - 1 - end], "…", head[len(head) - end :])


def _cut(cell: Text, width: int) -> Text:
    """Without the difference at its end, where there is no room for all of it: half a number is a wrong one."""
    found = _DIFFERENCE.search(cell.plain) if cell.cell_len > width else None
    return cell[: found.start()] if found else cell
