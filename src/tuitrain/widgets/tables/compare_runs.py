"""The comparison table for many runs: one row per run. The names stay visible, the other columns scroll."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tuitrain.widgets.run_names import shorten_names
from tuitrain.widgets.tables.compare_table import CompareTable, TableRow

MAX_NAME, MIN_NAME, MAX_WIDTH = 32, 12, 24
GAP = 2
# Settings in front of the results; further ones follow behind them.
LEADING = 3


class CompareRuns(CompareTable):
    """A comparison with one row per run. All texts must be safe to show."""

    DEFAULT_CSS = """
    CompareRuns { width: 1fr; height: auto; padding: 0 1; }
    """

    first_row = 0
    first_column = 0

    def scroll_columns(self, columns: int) -> None:
        """Scroll right, or left if negative, as long as columns are hidden there."""
        widths = [_width(title, cells) + GAP for title, cells in _columns(self.rows)]
        room = self.size.width - self._name_width(self._names())
        last = next((first for first in range(len(widths)) if sum(widths[first:]) <= room), len(widths) - 1)
        self.first_column = max(0, min(self.first_column + columns, last))
        self.refresh()

    @property
    def page(self) -> int:
        """The number of runs shown at once."""
        return max(1, self.size.height - 1)

    def content_changed(self) -> None:
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:  # noqa: ARG002
        return len(self.heads) + 1

    def render(self) -> Text:
        if not self.heads or self.size.width < 1:
            return Text()
        names = self._names()
        columns = _columns(self.rows)[self.first_column :]
        self.first_row = min(max(self.first_row, self.selected - self.page + 1), self.selected)
        self.first_row = max(0, min(self.first_row, len(self.heads) - self.page))
        shown = range(self.first_row, min(self.first_row + self.page, len(self.heads)))
        count = f"{shown[0] + 1}–{shown[-1] + 1} of {len(self.heads)}" if len(shown) < len(self.heads) else ""
        name_width, widths = self._name_width(names), [_width(*column) for column in columns]
        lines = [self._line(Text(count), [Text(title) for title, _ in columns], name_width, widths)]
        lines[0].stylize(self.style("foreground-muted"))
        for index in shown:
            head = self.heads[index]
            line = self._line(head.text(names[index]), [cells[index] for _, cells in columns], name_width, widths)
            if index == self.selected:
                line.stylize(Style(bold=True, bgcolor=self.style("panel").color))
            lines.append(line)
        return Text("\n", no_wrap=True, end="").join(lines)

    def _names(self) -> tuple[str, ...]:
        names = tuple(head.name for head in self.heads)
        return shorten_names(names, max(MIN_NAME, min(MAX_NAME, self.size.width // 3)))

    def _name_width(self, names: Sequence[str]) -> int:
        """Return the width of the names with their markers, or of `1–18 of 60`."""
        return max(MIN_NAME, 2 + max(map(cell_len, names)))

    def _line(self, line: Text, cells: Sequence[Text], name_width: int, widths: Sequence[int]) -> Text:
        """Append the cells that fit to a name."""
        line.truncate(name_width, overflow="ellipsis", pad=True)
        for cell, width in zip(cells, widths, strict=True):
            if line.cell_len + GAP + width > self.size.width:
                break
            cell = cell.copy()
            cell.truncate(width, overflow="ellipsis", pad=True)
            line = Text.assemble(line, " " * GAP, cell)
        line.truncate(self.size.width, pad=True)
        return line


def _width(title: str, cells: Sequence[Text]) -> int:
    return min(MAX_WIDTH, max(len(title), *(cell.cell_len for cell in cells)))


def _columns(rows: Sequence[TableRow]) -> list[tuple[str, Sequence[Text]]]:
    """Return titles and cells: the cursor, some settings, results, further settings."""
    kinds: dict[str, list[TableRow]] = {kind: [] for kind in ("cursor", "setting", "result")}
    for row in rows:
        if row.cells and any(cell.plain for cell in row.cells):
            kinds[row.kind].append(row)
    settings = kinds["setting"]
    order = [*kinds["cursor"], *settings[:LEADING], *kinds["result"], *settings[LEADING:]]
    return [(row.short or row.label, _aligned(row)) for row in order]


def _aligned(row: TableRow) -> Sequence[Text]:
    """Align the numbers at the start of the cells to the right."""
    if row.is_text:
        return row.cells
    sizes = [cell.plain.find(" ") if " " in cell.plain else cell.cell_len for cell in row.cells]
    return [Text.assemble(" " * (max(sizes) - size), cell) for cell, size in zip(row.cells, sizes, strict=True)]
