"""The table and the curves of the accuracy on corrupted images."""

from collections.abc import Sequence

from textual.content import Content

from tuitrain.analysis.robustness import TITLES, summary, table
from tuitrain.runs.robustness import STRENGTHS, Robustness
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.terminal.colors import MUTED, RGB

# The widths of the first and of the other columns, and that of a table with more space between them.
TITLE, CELL = 10, 8
SPACIOUS = TITLE + 7 * (CELL + 1)
MARKERS = "●▲■◆"


def report(record: Robustness, width: int) -> Content:
    """Return what was evaluated, and a line per corruption with the accuracy at each strength and the mean."""
    titles, *rows, means = [_line(cells, CELL + (width >= SPACIOUS)) for cells in table(record)]
    head = [Content.styled(summary(record), MUTED), Content(""), Content.styled(titles, MUTED)]
    return Content("\n").join([*head, *map(Content, rows), Content.styled(means, "bold")])


def _line(cells: Sequence[str], width: int) -> str:
    return cells[0].ljust(TITLE) + "".join(cell.rjust(width) for cell in cells[1:])


def curves(record: Robustness, colors: Sequence[RGB]) -> list[Line]:
    """Return the accuracy over the strength of each corruption, from strength 0, the clean images."""
    strengths = list(range(STRENGTHS + 1))
    return [
        Line(TITLES[name], strengths, [record.clean, *values], color, marker)
        for (name, values), color, marker in zip(record.corrupted.items(), colors, MARKERS, strict=False)
    ]
