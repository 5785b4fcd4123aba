"""A table with a column for each run: the first column stays, the others move so that the selected one is seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tuitrain.widgets.run_names import shortened
from tuitrain.widgets.terminal.colors import theme_color

# Cells of the labels at most, and where columns have no room else.
LABEL, LABEL_SHORT = 27, 18
# Cells of a column at most, and at least where words are cut; numbers are not.
WIDEST, SHORT = 24, 8
GAP = 1
_DIFFERENCE = re.compile(r" [-+]\S+(?: s)?$")


@dataclass(frozen=True, slots=True)
class TableRow:
    """`label` and a cell for each run, `words` that may be cut or numbers; without cells it begins a section."""

    label: str
    cells: Sequence[Text] = ()
    words: bool = False


class ColumnHead(NamedTuple):
    """What a run is known by; `color` is a style."""

    marker: str
    name: str
    color: str

    def text(self, name: str) -> Text:
        return Text(f"{self.marker} {name}", style=self.color)


class CompareTable(Widget):
    """Texts must be safe to show; a cell without a colour has the foreground's."""

    DEFAULT_CSS = """
    CompareTable { width: 1fr; height: 1fr; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heads: tuple[ColumnHead, ...] = ()
        self._rows: tuple[TableRow, ...] = ()
        self._selected = 0
        self._first_column = 1
        self._first_row = 0

    def show(self, heads: Sequence[ColumnHead], rows: Sequence[TableRow], selected: int) -> None:
        """`heads` and the cells of each row are in the order of the runs, of which `selected` is shown as such."""
        given = (tuple(heads), tuple(rows), selected)
        if given != (self._heads, self._rows, self._selected):
            self._heads, self._rows, self._selected = given
            self.scroll_rows(0)

    @property
    def needed(self) -> int:
        """The width in which every column is seen whole; a multiple of four, so that it seldom changes."""
        cells = self._label_width(LABEL) + len(self._heads) * (self._widest + 2 * GAP) + 2
        return 4 * -(-cells // 4)

    @property
    def _widest(self) -> int:
        """Cells of the widest cell."""
        return min(WIDEST, max((cell.cell_len for row in self._rows for cell in row.cells), default=1))

    @property
    def _narrowest(self) -> int:
        """Cells that a column needs for its numbers without differences."""
        cells = (cell for row in self._rows if not row.words for cell in row.cells)
        return min(WIDEST, max((_bare(cell).cell_len for cell in cells), default=1))

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
        label, width, count = self._columns()
        seen = self._visible(count)
        more = len(self._heads) - len(seen)
        names = shortened(tuple(head.name for head in self._heads), max(width - 2, 1))
        heads = [head.text(name) for head, name in zip(self._heads, names, strict=True)]
        heads[self._selected].stylize("bold")
        lines = [self._line(Text(f"+{more} more" if more else ""), heads, seen, label, width)]
        last = self._first_row + self._room
        muted = self._style("foreground-muted")
        for row in self._rows[self._first_row : last]:
            title = Text(row.label, style=muted if row.cells else self._style("accent"))
            lines.append(self._line(title, row.cells, seen, label if row.cells else self.size.width, width))
        return Text("\n", no_wrap=True, end="").join(lines)

    def _columns(self) -> tuple[int, int, int]:
        """The cells of the labels and of a column, and how many columns there is room for: all whole, else all without
        what may be cut, with short labels if need be, else as many as fit so."""
        narrowest = max(SHORT, self._narrowest)
        widest = max(self._widest, *(head.text(head.name).cell_len for head in self._heads))
        for most in (LABEL, LABEL_SHORT):
            label = self._label_width(most)
            width = (self.size.width - label) // len(self._heads) - GAP
            if width >= narrowest:
                return label, min(width, max(self._widest, min(widest, WIDEST))), len(self._heads)
        label = min(label, max(self.size.width // 3, 8))
        room = self.size.width - label
        count = max(1, room // (narrowest + GAP))
        return label, max(1, room // count - GAP), count

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
            cell = Text.assemble(" ", cells[place] if cells[place].cell_len <= width else _bare(cells[place]))
            cell.truncate(width + 1, overflow="ellipsis", pad=True)
            if place == self._selected:
                cell.stylize(Style(bgcolor=self._style("panel").color))
            line = Text.assemble(line, cell)
        return line

    def _style(self, name: str) -> Style:
        return Style(color="rgb({},{},{})".format(*theme_color(self, name)))


def _bare(cell: Text) -> Text:
    """Without the difference at its end: half a number is a wrong one."""
    found = _DIFFERENCE.search(cell.plain)
    return cell[: found.start()] if found else cell
