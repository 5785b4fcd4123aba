"""Label lines at their right end, in place of a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from tuitrain.text import plain
from tuitrain.widgets.charts.canvas import Row
from tuitrain.widgets.charts.line import Line, sign
from tuitrain.widgets.charts.render import Picture
from tuitrain.widgets.terminal.colors import RGB

# The widest label, and how many times its width a chart needs.
MAX_LABEL, SHARE = 24, 4
GAP = 1


@dataclass(frozen=True, slots=True)
class EndLabels:
    """Labels by the index of their line; they need `width` cells at the right of the chart."""

    texts: dict[int, tuple[str, RGB]]
    width: int

    def add_to(self, rows: list[Row], picture: Picture) -> None:
        """Write each label in the row in which its line ends, or the nearest free one."""
        canvas = picture.canvas
        if canvas is None:
            return
        ends = sorted(((picture.end(index), index) for index in self.texts), key=lambda end: -end[0])
        wanted = [canvas.cell((1.0, y))[1] for y, _ in ends]
        for row, (_, index) in zip(_spread(wanted, canvas.height), ends, strict=True):
            text, color = self.texts[index]
            padding = " " * (picture.width - sum(cell_len(character) for character, _ in rows[row]) + GAP)
            rows[row] += [(padding, None), *((character, color) for character in chop_cells(text, 1))]


def end_labels(lines: Sequence[Line], width: int, height: int, *, braille: bool) -> EndLabels | None:
    """Return labels for the named lines, or None if there is no room for all of them."""
    texts = {
        index: (f"{sign(line, index, braille)} {plain(line.name)}", line.color)
        for index, line in enumerate(lines)
        if line.name
    }
    longest = max((cell_len(text) for text, _ in texts.values()), default=0)
    if not texts or len(texts) > height or longest > MAX_LABEL or SHARE * longest > width:
        return None
    return EndLabels(texts, longest + GAP + 1)


def _spread(wanted: Sequence[int], height: int) -> list[int]:
    """Return distinct rows in ascending order, near the wanted ones; there are at most `height`."""
    rows: list[int] = []
    for row in wanted:
        rows.append(max(row, rows[-1] + 1) if rows else row)
    limit = height - 1
    for place in range(len(rows) - 1, -1, -1):
        rows[place] = min(rows[place], limit)
        limit = rows[place] - 1
    return rows
