"""A confusion matrix with a cursor: one row per true class, one column per predicted class."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.analysis.confusion import class_scores, confusion_order, most_confused
from tuitrain.text import plain
from tuitrain.widgets.confusion.grid import (
    RECALL,
    Grid,
    align_right,
    first_visible,
    fit_grid,
    format_count,
    format_percent,
)
from tuitrain.widgets.confusion.shading import color_scale, mark, shade
from tuitrain.widgets.terminal.pictures import has_few_colors


class ConfusionMatrix(ScrollView, can_focus=True):
    """Show counts in the same order of classes for rows and columns; the cursor stays on its pair of classes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "confusion--correct",
        "confusion--error",
        "confusion--muted",
        "confusion--marked",
        "confusion--cursor",
    }
    DEFAULT_CSS = """
    ConfusionMatrix {
        scrollbar-size: 1 1;
        & > .confusion--correct { color: $primary; }
        & > .confusion--error { color: $error; }
        & > .confusion--muted { color: $foreground 65%; }
        & > .confusion--marked { color: $primary; text-style: bold; }
        & > .confusion--cursor { text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(0, -1)", "Left", show=False, id="confusion.left"),
        Binding("down,j", "move(1, 0)", "Down", show=False, id="confusion.down"),
        Binding("up,k", "move(-1, 0)", "Up", show=False, id="confusion.up"),
        Binding("right,l", "move(0, 1)", "Right", show=False, id="confusion.right"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="confusion.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="confusion.page_down"),
        Binding("home", "move(0, -1000000)", "First column", show=False, id="confusion.first_column"),
        Binding("end", "move(0, 1000000)", "Last column", show=False, id="confusion.last_column"),
        Binding("g", "move(-1000000, 0)", "First row", show=False, id="confusion.first_row"),
        Binding("G", "move(1000000, 0)", "Last row", show=False, id="confusion.last_row"),
        Binding("f", "next_confused", "most confused", tooltip="Go to the most confused pair", id="confusion.next"),
        Binding("v", "toggle_percent", "percent", tooltip="Show percent of the true class", id="confusion.unit"),
        Binding("o", "toggle_order", "order", tooltip="Put confused classes next to each other", id="confusion.order"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor moved or the count under it changed; `true` and `predicted` are class indices."""

        matrix: "ConfusionMatrix"
        true: int
        predicted: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.percent = False
        self.recalls = True
        self.by_confusion = False
        self._counts: list[Sequence[int]] = []
        self._names: list[str] = []
        self._order: list[int] = []
        self._positions: list[int] = []
        self._supports: list[int] = []
        self._recalls: list[float | None] = []
        self._precisions: list[float | None] = []
        self._largest = 0
        self._row = self._column = 0
        self._grid: tuple[Size, Grid] | None = None
        self._scales: tuple[list[Style], list[Style]] | None = None

    @property
    def pair(self) -> tuple[int, int] | None:
        return (self._order[self._row], self._order[self._column]) if self._order else None

    def show(self, counts: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
        """Show `counts[true][predicted]`. Missing counts are 0; unnamed classes show their index."""
        size = max([len(counts), *map(len, counts)])
        pair = self.pair if size == len(self._counts) else None
        self._counts = [
            # A million sound counts are not copied one by one.
            row if len(row) == size and min(row) >= 0 else [max(0, n) for n in (*row, *[0] * (size - len(row)))]
            for row in (*counts, *[()] * (size - len(counts)))
        ]
        self._names = [plain(name, 60).strip() or str(n) for n, name in enumerate(classes[:size])]
        self._names += [str(n) for n in range(len(self._names), size)]
        scores = class_scores(self._counts)
        self._supports = [score.support for score in scores]
        self._recalls = [score.recall for score in scores]
        self._precisions = [score.precision for score in scores]
        self._largest = max((max(row) for row in self._counts), default=0)
        self._sort_classes(pair or next(iter(self.ranked_pairs()), (0, 0)))

    def size_for(self, width: int, height: int) -> Size:
        """Return the size that the whole matrix needs in a terminal of this size, or that size if it does not fit."""
        grid, size = self._fit(width, height), len(self._order)
        if not size:
            return Size(width, height)
        needed = grid.label + size * grid.cell + grid.recall
        return Size(min(needed, width), min(grid.top + size + grid.bottom, height))

    def show_recalls(self, shown: bool) -> None:
        if self.recalls != shown:
            self.recalls = shown
            self._update_layout()

    def select(self, true: int, predicted: int) -> None:
        if self.pair != (true, predicted) and max(true, predicted) < len(self._order):
            self._move_to(self._positions[true], self._positions[predicted])

    def describe(self) -> str:
        """Describe the cell under the cursor: `4 → 9, 402 images (40.9 % of the 4s)`."""
        if self.pair is None:
            return "no classes"
        true, predicted = self.pair
        count, support = self._counts[true][predicted], self._supports[true]
        name = self._names[true]
        true_class = f"the {name}s" if name.isdigit() else name
        share = f" ({100 * count / support:.1f} % of {true_class})" if support else f" (no image of {name})"
        images = f"{count:,} image{'' if count == 1 else 's'}{' correct' if true == predicted else ''}"
        return f"{name} → {self._names[predicted]}, {images}{share}"

    def action_move(self, rows: int, columns: int) -> None:
        last = len(self._order) - 1
        self._move_to(min(last, max(0, self._row + rows)), min(last, max(0, self._column + columns)))

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.grid.rows - 1), 0)

    def action_toggle_percent(self) -> None:
        self.percent = not self.percent
        self.refresh()

    def action_toggle_order(self) -> None:
        self.by_confusion = not self.by_confusion
        self._sort_classes(self.pair or (0, 0))

    def action_next_confused(self) -> None:
        """Go to the next pair in descending order of confusion, then start again."""
        if pairs := self.ranked_pairs():
            index = pairs.index(self.pair) + 1 if self.pair in pairs else 0
            self.select(*pairs[index % len(pairs)])

    def ranked_pairs(self) -> list[tuple[int, int]]:
        """Return the pairs of classes that `f` visits, in this order; the cursor starts at the first."""
        return [(error.true, error.predicted) for error in most_confused(self._counts, 100)]

    def _sort_classes(self, pair: tuple[int, int]) -> None:
        """Update the order of the classes and move the cursor to `pair`."""
        self._order = confusion_order(self._counts) if self.by_confusion else list(range(len(self._counts)))
        self._positions = sorted(range(len(self._order)), key=self._order.__getitem__)
        self._update_layout()
        if self._order:
            self._move_to(self._positions[pair[0]], self._positions[pair[1]])

    def _move_to(self, row: int, column: int) -> None:
        if not self._order:
            return
        self._row, self._column = row, column
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved(self, self._order[row], self._order[column]))

    def _scroll_to_cursor(self) -> None:
        grid = self.grid
        x, y = self._first_column(), self.scroll_offset.y
        x, y = first_visible(x, self._column, grid.columns), first_visible(y, self._row, grid.rows)
        if self.is_attached:
            self.scroll_to(x * grid.cell, y, animate=False)

    def _first_column(self) -> int:
        return max(0, min(ceil(self.scroll_offset.x / self.grid.cell), len(self._order) - self.grid.columns))

    def on_resize(self, _: Resize) -> None:
        self._update_layout()
        self._scroll_to_cursor()

    def _update_layout(self) -> None:
        self._grid = None
        grid, size = self.grid, len(self._order)
        self.virtual_size = Size(grid.label + size * grid.cell + grid.recall, grid.top + size + grid.bottom)
        self.refresh()

    @property
    def grid(self) -> Grid:
        size = self.scrollable_content_region.size
        if self._grid is None or self._grid[0] != size:
            self._grid = size, self._fit(*size)
        return self._grid[1]

    def _fit(self, width: int, height: int) -> Grid:
        return fit_grid(self._names, self._order, self._largest, width, height, recalls=self.recalls)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._scales = None

    def render_line(self, y: int) -> Strip:
        grid, width = self.grid, self.scrollable_content_region.width
        row = y - grid.top
        if not self._order:
            segments = [Segment("no confusion counts" if y == 0 else "", self._style("muted"))]
        elif row < 0:
            segments = self._head_line(y)
        elif row < grid.rows:
            first = max(0, min(self.scroll_offset.y, len(self._order) - grid.rows))
            segments = self._class_line(first + row)
        elif grid.bottom > 1 and row == grid.rows:
            segments = self._precision_line()
        elif row == grid.rows + grid.bottom - 1:
            segments = [Segment(self.describe(), self._style("marked"))]
        else:
            segments = []
        return Strip(segments).adjust_cell_length(width, self.rich_style).apply_style(self.rich_style)

    def _visible_columns(self) -> range:
        first = self._first_column()
        return range(first, min(first + self.grid.columns, len(self._order)))

    def _head_line(self, y: int) -> list[Segment]:
        grid, muted = self.grid, self._style("muted")
        if y < grid.top - 1:
            return [Segment(" " * grid.label, muted), Segment("predicted →", muted)]
        segments = [Segment(set_cell_size("true ↓" if grid.top > 1 else "↓ → ", grid.label), muted)]
        for column in self._visible_columns():
            style = self._style("marked") if column == self._column else muted
            segments.append(Segment(align_right(grid.heads[column], grid.cell - 1) + " ", style))
        segments.append(Segment("recall".rjust(grid.recall) if grid.recall else "", muted))
        return segments

    def _class_line(self, row: int) -> list[Segment]:
        grid, recall = self.grid, self._recalls[self._order[row]]
        style, unit = self._style("marked") if row == self._row else self.rich_style, "  " if recall is None else " %"
        return [
            Segment(set_cell_size(grid.labels[row], grid.label), style),
            *(self._cell(row, column) for column in self._visible_columns()),
            Segment(f"{self._format_share(recall)}{unit}".rjust(RECALL) if grid.recall else ""),
        ]

    def _precision_line(self) -> list[Segment]:
        grid, muted = self.grid, self._style("muted")
        values = (self._format_share(self._precisions[self._order[column]]) for column in self._visible_columns())
        title = "precision %" if grid.label > 11 else "prec %"
        return [
            Segment(set_cell_size(title, grid.label), muted),
            *(Segment(value.rjust(grid.cell - 1) + " ", muted) for value in values),
        ]

    def _cell(self, row: int, column: int) -> Segment:
        true, predicted, width = self._order[row], self._order[column], self.grid.cell - 1
        count, support = self._counts[true][predicted], self._supports[true]
        share = count / support if support else 0.0
        text = "·" if not count else format_percent(share) if self.percent else format_count(count)
        prefix = mark(share) if has_few_colors(self.app) and len(text) < width else ""
        at_cursor = row == self._row and column == self._column
        style = self._style("cursor") if at_cursor else self._shade(share, true == predicted)
        return Segment(prefix + text.rjust(width - len(prefix)) + " ", style)

    def _format_share(self, share: float | None) -> str:
        return format_percent(share)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"confusion--{name}")

    def _shade(self, share: float, correct: bool) -> Style:
        if self._scales is None:
            base = self.background_colors[1]
            error, right = (self.get_component_styles(f"confusion--{name}").color for name in ("error", "correct"))
            self._scales = color_scale(base, error, 0.05, 0.9), color_scale(base, right, 0.1, 0.5)
        return shade(self._scales[correct], share) if share else self._style("muted")
