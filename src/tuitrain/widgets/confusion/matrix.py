"""A confusion matrix to walk through: one row a true class, one column a predicted class."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.color import BLACK, WHITE, Color
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.analysis.confusion import class_scores, confusion_order, most_confused
from tuitrain.text import plain

SHADES = 24
RECALL = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """Where everything stands, in cells of the terminal; `rows` and `columns` are how many classes are visible."""

    label: int
    cell: int
    recall: int
    top: int
    bottom: int
    rows: int
    columns: int
    heads: list[str]
    labels: list[str]


class ConfusionMatrix(ScrollView, can_focus=True):
    """Rows and columns have one order. The cursor is a cell, kept on its pair of classes when the order changes."""

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
        &:focus > .confusion--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold;
        }
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
        Binding("m", "next_confused", "most confused", tooltip="Go to the next greatest error", id="confusion.next"),
        Binding("v", "toggle_percent", "per cent", tooltip="Counts or per cent of the true class", id="confusion.unit"),
        Binding("o", "toggle_order", "order", tooltip="Put confused classes next to each other", id="confusion.order"),
    ]

    class Moved(Message):
        """The cursor is on another cell, or the cell holds another count; `true` and `predicted` are class numbers."""

        def __init__(self, matrix: "ConfusionMatrix", true: int, predicted: int) -> None:
            super().__init__()
            self.matrix, self.true, self.predicted = matrix, true, predicted

        @property
        def control(self) -> "ConfusionMatrix":
            return self.matrix

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.percent = False
        self.recalls = True
        self.by_confusion = False
        self._counts: list[list[int]] = []
        self._names: list[str] = []
        self._order: list[int] = []
        self._place: list[int] = []
        self._supports: list[int] = []
        self._recalls: list[float | None] = []
        self._precisions: list[float | None] = []
        self._largest = 0
        self._row = self._column = 0
        self._grid: tuple[Size, Grid] | None = None
        self._shades: tuple[list[Style], list[Style]] | None = None

    @property
    def pair(self) -> tuple[int, int] | None:
        """The true and the predicted class under the cursor; None while there is nothing to show."""
        return (self._order[self._row], self._order[self._column]) if self._order else None

    def show(self, counts: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
        """Show `counts[true][predicted]`. Missing counts are 0; a class without a name shows its number."""
        size = max([len(counts), *map(len, counts)])
        pair = self.pair if size == len(self._counts) else None
        self._counts = [
            [max(0, n) for n in (*row, *[0] * (size - len(row)))] for row in (*counts, *[()] * (size - len(counts)))
        ]
        self._names = [plain(name, 60).strip() or str(n) for n, name in enumerate(classes[:size])]
        self._names += [str(n) for n in range(len(self._names), size)]
        scores = class_scores(self._counts)
        self._supports = [score.support for score in scores]
        self._recalls = [score.recall for score in scores]
        self._precisions = [score.precision for score in scores]
        self._largest = max((max(row) for row in self._counts), default=0)
        self._arrange(pair or self._worst())

    def show_recalls(self, shown: bool) -> None:
        """Whether the recalls stand beside the rows, or leave their room to the classes."""
        if self.recalls != shown:
            self.recalls = shown
            self._fit()

    def look_at(self, true: int, predicted: int) -> None:
        """Put the cursor on this pair of classes, where there is such a pair."""
        if self.pair != (true, predicted) and max(true, predicted) < len(self._order):
            self._go(self._place[true], self._place[predicted])

    def toggle_percent(self) -> None:
        """Between counts and per cent of the true class."""
        self.percent = not self.percent
        self.refresh()

    def toggle_order(self) -> None:
        """Between the classes' own order and confused classes next to each other."""
        self.by_confusion = not self.by_confusion
        self._arrange(self.pair or (0, 0))

    def describe(self) -> str:
        """The cell under the cursor in words: `4 → 9, 402 images (40.9 % of the 4s)`."""
        if self.pair is None:
            return "no classes"
        true, predicted = self.pair
        count, support = self._counts[true][predicted], self._supports[true]
        name = self._names[true]
        whole = f"the {name}s" if name.isdigit() else name
        part = f" ({100 * count / support:.1f} % of {whole})" if support else f" (no image of {name})"
        images = f"{count:,} image{'' if count == 1 else 's'}{' correct' if true == predicted else ''}"
        return f"{name} → {self._names[predicted]}, {images}{part}"

    def action_move(self, rows: int, columns: int) -> None:
        last = len(self._order) - 1
        self._go(min(last, max(0, self._row + rows)), min(last, max(0, self._column + columns)))

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.grid.rows - 1), 0)

    def action_toggle_percent(self) -> None:
        self.toggle_percent()

    def action_toggle_order(self) -> None:
        self.toggle_order()

    def action_next_confused(self) -> None:
        """From the greatest error to the next smaller one, and round again."""
        pairs = [(error.true, error.predicted) for error in most_confused(self._counts, 100)]
        if pairs:
            following = pairs.index(self.pair) + 1 if self.pair in pairs else 0
            true, predicted = pairs[following % len(pairs)]
            self._go(self._place[true], self._place[predicted])

    def _worst(self) -> tuple[int, int]:
        worst = most_confused(self._counts, 1)
        return (worst[0].true, worst[0].predicted) if worst else (0, 0)

    def _arrange(self, pair: tuple[int, int]) -> None:
        """Order the classes anew and put the cursor on `pair`."""
        self._order = confusion_order(self._counts) if self.by_confusion else list(range(len(self._counts)))
        self._place = sorted(range(len(self._order)), key=self._order.__getitem__)
        self._fit()
        if self._order:
            self._go(self._place[pair[0]], self._place[pair[1]])

    def _go(self, row: int, column: int) -> None:
        if not self._order:
            return
        self._row, self._column = row, column
        self._reveal()
        self.refresh()
        self.post_message(self.Moved(self, self._order[row], self._order[column]))

    def _reveal(self) -> None:
        grid = self.grid
        x, y = self._first_column(), self.scroll_offset.y
        x, y = _followed(x, self._column, grid.columns), _followed(y, self._row, grid.rows)
        if self.is_attached:
            self.scroll_to(x * grid.cell, y, animate=False)

    def _first_column(self) -> int:
        return max(0, min(ceil(self.scroll_offset.x / self.grid.cell), len(self._order) - self.grid.columns))

    def on_resize(self, _: Resize) -> None:
        self._fit()
        self._reveal()

    def _fit(self) -> None:
        self._grid = None
        grid, size = self.grid, len(self._order)
        self.virtual_size = Size(grid.label + size * grid.cell + grid.recall, grid.top + size + grid.bottom)
        self.refresh()

    @property
    def grid(self) -> Grid:
        size = self.scrollable_content_region.size
        if self._grid is None or self._grid[0] != size:
            self._grid = size, self._measure(size.width, size.height)
        return self._grid[1]

    def _measure(self, width: int, height: int) -> Grid:
        names = [self._names[index] for index in self._order]
        longest = max(map(cell_len, names), default=1)
        recall = RECALL if self.recalls and width >= 32 else 0
        label = min(max(longest + 2, 7), max(7, width // 4))
        cell = self._cell_width(width - label - recall, longest)
        heads = [_shortened(name, cell - 1) if cell > 6 else _cut(name, cell - 1) for name in names]
        if len(set(heads)) < len(names):
            cell = self._cell_width(width - label - recall, 1)
            heads = [str(index) for index in self._order]
            names = [f"{index} {name}" for index, name in zip(self._order, names, strict=True)]
            label = min(label + len(str(len(names))) + 1, max(7, width // 3))
        top = 2 if height >= 12 else min(1, height - 1)
        bottom = 3 if height >= 12 else 1 if height >= 4 else 0
        return Grid(
            label=label,
            cell=cell,
            recall=recall,
            top=top,
            bottom=bottom,
            rows=max(1, min(len(names), height - top - bottom)),
            columns=max(1, min(len(names), (width - label - recall) // cell)),
            heads=heads,
            labels=[_shortened(name, label - 1) for name in names],
        )

    def _cell_width(self, space: int, longest: int) -> int:
        """As wide as the space allows where all classes fit into it, else just wide enough."""
        digits = max(4, min(9, len(str(self._largest))))
        widest = max(digits + 4, min(longest + 2, 12))
        shared = space // max(1, len(self._order))
        return min(shared, widest) if shared > digits else max(digits + 1, min(longest + 1, 7))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._shades = None

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
            segments.append(Segment(_right(grid.heads[column], grid.cell - 1) + " ", style))
        segments.append(Segment("recall".rjust(grid.recall) if grid.recall else "", muted))
        return segments

    def _class_line(self, row: int) -> list[Segment]:
        grid, recall = self.grid, self._recalls[self._order[row]]
        style = self._style("marked") if row == self._row else self.rich_style
        return [
            Segment(set_cell_size(grid.labels[row], grid.label), style),
            *(self._cell(row, column) for column in self._visible_columns()),
            Segment(f"{self._part(recall)}{' %' if recall is not None else '  '}".rjust(RECALL) if grid.recall else ""),
        ]

    def _precision_line(self) -> list[Segment]:
        grid, muted = self.grid, self._style("muted")
        values = (self._part(self._precisions[self._order[column]]) for column in self._visible_columns())
        title = "precision %" if grid.label > 11 else "prec %"
        return [
            Segment(set_cell_size(title, grid.label), muted),
            *(Segment(value.rjust(grid.cell - 1) + " ", muted) for value in values),
        ]

    def _cell(self, row: int, column: int) -> Segment:
        true, predicted, width = self._order[row], self._order[column], self.grid.cell - 1
        count, support = self._counts[true][predicted], self._supports[true]
        part = count / support if support else 0.0
        text = "·" if not count else _percent(part) if self.percent else _number(count)
        mark = _mark(part) if self._colorless and len(text) < width else ""
        at_cursor = row == self._row and column == self._column
        style = self._style("cursor") if at_cursor else self._shade(part, true == predicted)
        return Segment(mark + text.rjust(width - len(mark)) + " ", style)

    def _part(self, part: float | None) -> str:
        """A recall or precision in per cent."""
        return _percent(part)

    @property
    def _colorless(self) -> bool:
        return self.app.no_color or self.app.console.color_system in (None, "standard")

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"confusion--{name}")

    def _shade(self, part: float, correct: bool) -> Style:
        """Grows with the square root, so that one per cent can be seen beside forty."""
        if self._shades is None:
            self._shades = self._scale("error", 0.05, 0.9), self._scale("correct", 0.1, 0.5)
        return self._shades[correct][ceil(sqrt(part) * SHADES)] if part else self._style("muted")

    def _scale(self, name: str, weakest: float, strongest: float) -> list[Style]:
        base = self.background_colors[1]
        hue = self.get_component_styles(f"confusion--{name}").color
        grounds = [base.blend(hue, weakest + (strongest - weakest) * level / SHADES) for level in range(SHADES + 1)]
        return [Style(color=_ink(ground).rich_color, bgcolor=ground.rich_color) for ground in grounds]


def _followed(first: int, position: int, visible: int) -> int:
    """The first of `visible` lines that shows `position`: one step scrolls by one, a jump brings it to the middle."""
    if first - 1 <= position <= first + visible:
        return min(max(first, position - visible + 1), position)
    return max(0, position - visible // 2)


def _ink(ground: Color) -> Color:
    """Black or white, whichever has the greater contrast by WCAG 2: at least 4.58 on any ground."""
    red, green, blue = (part**2.2 for part in ground.normalized)
    return BLACK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else WHITE


def _mark(part: float) -> str:
    """What shows the shade where there is no colour."""
    return "" if part < 0.01 else "░" if part < 0.1 else "▒" if part < 0.5 else "▓"


def _percent(part: float | None) -> str:
    """At most four characters."""
    if part is None:
        return "-"
    return "100" if part >= 0.9995 else "<0.1" if 0 < part < 0.0005 else f"{100 * part:.1f}"


def _number(count: int) -> str:
    """At most nine characters."""
    return str(count) if count < 10**9 else f"{count:.1e}"


def _shortened(name: str, width: int) -> str:
    return name if cell_len(name) <= width else _cut(name, width - 1) + "…"


def _cut(name: str, width: int) -> str:
    return set_cell_size(name, max(0, width)).rstrip()


def _right(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text)) + text
