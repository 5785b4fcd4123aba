"""The comparison table for few runs: one column per run. The first column stays visible, the others scroll to the
selected one."""

import re
from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from tuitrain.widgets.run_names import shorten_names
from tuitrain.widgets.tables.compare_table import CompareTable

# The maximum width of labels, and their width if space is short.
LABEL, SHORT_LABEL = 27, 18
# The maximum and minimum width of a column. Only texts are truncated, never numbers.
MAX_WIDTH, MIN_WIDTH = 24, 8
GAP = 1
_DIFFERENCE = re.compile(r" [-+]\S+(?: s)?$")


class CompareColumns(CompareTable):
    """A comparison with one column per run. All texts must be safe to show."""

    DEFAULT_CSS = """
    CompareColumns { width: 1fr; height: 1fr; padding: 0 1; }
    """

    _first_column = 1
    _first_row = 0

    def content_changed(self) -> None:
        self.scroll_rows(0)

    @property
    def preferred_width(self) -> int:
        """The width for all columns, rounded up to a multiple of four, so that it rarely changes."""
        cells = self._label_width(LABEL) + len(self.heads) * (self._max_cell + 2 * GAP) + 2
        return 4 * -(-cells // 4)

    @property
    def _max_cell(self) -> int:
        return min(MAX_WIDTH, max((cell.cell_len for row in self.rows for cell in row.cells), default=1))

    @property
    def _min_column(self) -> int:
        """The width that a column needs for its numbers without differences."""
        cells = (cell for row in self.rows if not row.is_text for cell in row.cells)
        return min(MAX_WIDTH, max((_without_difference(cell).cell_len for cell in cells), default=1))

    def _label_width(self, limit: int) -> int:
        return min(limit, max((len(row.label) + 1 for row in self.rows if row.cells), default=8))

    def scroll_rows(self, rows: int) -> None:
        self._first_row = max(0, min(self._first_row + rows, len(self.rows) - self._visible_rows))
        self.refresh()

    @property
    def _visible_rows(self) -> int:
        return max(1, self.size.height - 1)

    def render(self) -> Text:
        if not self.heads or self.size.width < 1:
            return Text()
        label, width, count = self._columns()
        visible = self._visible_columns(count)
        hidden = len(self.heads) - len(visible)
        names = shorten_names(tuple(head.name for head in self.heads), max(width - 2, 1))
        heads = [head.text(name) for head, name in zip(self.heads, names, strict=True)]
        heads[self.selected].stylize("bold")
        lines = [self._line(Text(f"+{hidden} more" if hidden else ""), heads, visible, label, width)]
        last = self._first_row + self._visible_rows
        muted = self.style("foreground-muted")
        for row in self.rows[self._first_row : last]:
            title = Text(row.label, style=muted if row.cells else self.style("accent"))
            lines.append(self._line(title, row.cells, visible, label if row.cells else self.size.width, width))
        return Text("\n", no_wrap=True, end="").join(lines)

    def _columns(self) -> tuple[int, int, int]:
        """Return the width of labels, the width of columns and the number of visible columns. Prefer all columns,
        without differences and with short labels if necessary."""
        narrowest = max(MIN_WIDTH, self._min_column)
        widest = max(self._max_cell, *(head.text(head.name).cell_len for head in self.heads))
        for limit in (LABEL, SHORT_LABEL):
            label = self._label_width(limit)
            width = (self.size.width - label) // len(self.heads) - GAP
            if width >= narrowest:
                return label, min(width, max(self._max_cell, min(widest, MAX_WIDTH))), len(self.heads)
        label = min(label, max(self.size.width // 3, 8))
        room = self.size.width - label
        count = max(1, room // (narrowest + GAP))
        return label, max(1, room // count - GAP), count

    def _visible_columns(self, count: int) -> list[int]:
        """Return the indices of the columns to show, including the first and the selected one."""
        others = count - 1
        if others < 1:
            return [self.selected]
        first = min(self._first_column, max(1, self.selected))
        first = max(first, self.selected - others + 1, 1)
        self._first_column = max(1, min(first, len(self.heads) - others))
        return [0, *range(self._first_column, min(self._first_column + others, len(self.heads)))]

    def _line(self, label: Text, cells: Sequence[Text], visible: Sequence[int], room: int, width: int) -> Text:
        label.truncate(room, overflow="ellipsis", pad=True)
        line = label
        for index in visible if cells else ():
            full = cells[index]
            cell = Text.assemble(" ", full if full.cell_len <= width else _without_difference(full))
            cell.truncate(width + 1, overflow="ellipsis", pad=True)
            if index == self.selected:
                cell.stylize(Style(bgcolor=self.style("panel").color))
            line = Text.assemble(line, cell)
        return line


def _without_difference(cell: Text) -> Text:
    """Remove the difference at the end of a cell, because a truncated number would be wrong."""
    found = _DIFFERENCE.search(cell.plain)
    return cell[: found.start()] if found else cell
