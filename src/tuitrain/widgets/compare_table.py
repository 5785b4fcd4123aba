"""A table with a column for each run: the first column stays, the others move so that the selected one is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tuitrain.widgets.chart import theme_color

LABEL = 27
WIDEST, NARROWEST = 24, 12
GAP = 2


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
        label = min(LABEL, max(self.size.width // 3, 8), max((len(row.label) for row in self._rows), default=8))
        width = self._column_width(label)
        seen = self._visible(max(1, (self.size.width - label) // (width + GAP)))
        more = len(self._heads) - len(seen)
        lines = [self._line(Text(f"+{more} more" if more else ""), self._heads, seen, label, width)]
        last = self._first_row + self._room
        muted = self._style("foreground-muted")
        for row in self._rows[self._first_row : last]:
            title = Text(row.label, style=muted if row.cells else self._style("accent"))
            lines.append(self._line(title, row.cells, seen, label if row.cells else self.size.width, width))
        return Text("\n", no_wrap=True, end="").join(lines)

    def _column_width(self, label: int) -> int:
        """As wide as the widest cell; all of the space where that lets every column be seen."""
        cells = [cell.cell_len for row in self._rows for cell in row.cells]
        heads = [head.cell_len for head in self._heads]
        widest = min(WIDEST, max([*cells, *heads], default=1))
        needed = min(widest, max(cells, default=widest))
        space = self.size.width - label
        shared = space // len(self._heads) - GAP
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
            cell = Text.assemble(" ", cells[place])
            cell.truncate(width + 1, overflow="ellipsis", pad=True)
            if place == self._selected:
                cell.stylize(Style(bgcolor=self._style("panel").color))
            line = Text.assemble(line, " ", cell)
        return line

    def _style(self, name: str) -> Style:
        return Style(color="rgb({},{},{})".format(*theme_color(self, name)))
