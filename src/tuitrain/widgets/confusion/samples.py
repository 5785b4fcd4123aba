"""Thumbnails of samples with their true and predicted class."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.analysis import units
from tuitrain.runs.records import Sample
from tuitrain.text import plain
from tuitrain.widgets.shorten import shorten, shorten_start
from tuitrain.widgets.terminal.pictures import picture_area, picture_line

SMALL, LARGE = 16, 32
GAP = 2
# Lines of a caption, and its maximum width.
CAPTION, MAX_WIDTH = 3, 28


class Samples(ScrollView, can_focus=True):
    """A grid of thumbnails with a cursor. They are large if all of them fit, unless the user chooses a size."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"samples--caption", "samples--muted", "samples--cursor"}
    DEFAULT_CSS = """
    Samples {
        scrollbar-size: 1 1;
        overflow-x: hidden;
        & > .samples--caption { color: $foreground; }
        & > .samples--muted { color: $foreground 65%; }
        & > .samples--cursor { color: $block-cursor-foreground; background: $block-cursor-background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "move(1)", "Next image", show=False, id="samples.right"),
        Binding("h,left", "move(-1)", "Previous image", show=False, id="samples.left"),
        Binding("j,down", "move_row(1)", "Image below", show=False, id="samples.down"),
        Binding("k,up", "move_row(-1)", "Image above", show=False, id="samples.up"),
        Binding("pagedown", "move_row(3)", "Page down", show=False, id="samples.page_down"),
        Binding("pageup", "move_row(-3)", "Page up", show=False, id="samples.page_up"),
        Binding("g,home", "move(-1_000_000)", "First", show=False, id="samples.first"),
        Binding("G,end", "move(1_000_000)", "Last", show=False, id="samples.last"),
        Binding("z", "toggle_size", "size", tooltip="Small or large images", id="samples.size"),
    ]

    class Moved(Message):
        """The cursor is on another image."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chosen_large: bool | None = None
        self._large = False
        self.cursor = 0
        self._samples: list[Sample] = []
        self._captions: list[tuple[str, ...]] = []
        self._empty_text = ""
        self._columns = 1
        self._tile = Size(SMALL, SMALL // 2 + CAPTION + 1)

    def show(self, samples: Sequence[Sample], classes: Sequence[str], empty_text: str = "no samples") -> None:
        """Show `samples` in order, or `empty_text` if there are none; unnamed classes show their index."""
        names = [plain(name, 60) for name in classes]
        if [sample.index for sample in samples] != [sample.index for sample in self._samples]:
            self.cursor = 0
        self._samples, self._empty_text = list(samples), empty_text
        self._captions = [_caption(sample, names) for sample in samples]
        self._update_layout()

    @property
    def count(self) -> int:
        return len(self._samples)

    @property
    def selected(self) -> Sample | None:
        return self._samples[self.cursor] if self.cursor < len(self._samples) else None

    def action_move(self, images: int) -> None:
        if self._samples:
            self.cursor = min(max(self.cursor + images, 0), len(self._samples) - 1)
            self._scroll_to_cursor()
            self.refresh()
            self.post_message(self.Moved())

    def action_move_row(self, rows: int) -> None:
        target = self.cursor + rows * self._columns
        if 0 <= target < len(self._samples) or abs(rows) > 1:
            self.action_move(target - self.cursor)

    def _scroll_to_cursor(self) -> None:
        top, height = self.cursor // self._columns * self._tile.height, self.scrollable_content_region.height
        target = min(max(self.scroll_offset.y, top + self._tile.height - height), top)
        self.scroll_to(y=target, animate=False, immediate=True, force=True)

    def action_toggle_size(self) -> None:
        self._chosen_large = not self._large
        self._update_layout()
        self._scroll_to_cursor()

    def on_resize(self, _: Resize) -> None:
        self._update_layout()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._update_layout()

    def _update_layout(self) -> None:
        self._arrange(large=self._chosen_large is not False)
        if self._chosen_large is None and self.virtual_size.height > self.scrollable_content_region.height:
            self._arrange(large=False)
        self.refresh()

    def _arrange(self, *, large: bool) -> None:
        self._large = large
        width = self.scrollable_content_region.width
        side = LARGE if large else SMALL
        sizes = [picture_area(self.app, sample, side) for sample in self._samples]
        caption = max((cell_len(line) for lines in self._captions for line in lines), default=0)
        widest = max([size.width for size in sizes] + [min(caption, MAX_WIDTH)], default=side)
        tallest = max((size.height for size in sizes), default=side // 2)
        self._tile = Size(max(1, min(widest, width)), tallest + CAPTION + 1)
        self._columns = max(1, (width + GAP) // (self._tile.width + GAP))
        self.virtual_size = Size(width, -(-len(self._samples) // self._columns) * self._tile.height)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row, line = divmod(y + self.scroll_offset.y, self._tile.height)
        segments: list[Segment] = []
        if not self._samples and y == 0:
            segments.append(Segment(self._empty_text, self.get_component_rich_style("samples--muted")))
        for number in range(row * self._columns, min((row + 1) * self._columns, len(self._samples))):
            tile = Strip(self._tile_line(number, line)).adjust_cell_length(self._tile.width + GAP)
            segments += tile
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)

    def _tile_line(self, number: int, line: int) -> list[Segment]:
        caption = line - (self._tile.height - CAPTION - 1)
        if 0 <= caption < CAPTION:
            under = number == self.cursor and self.has_focus
            style = self.get_component_rich_style(
                "samples--cursor" if under else "samples--caption" if caption else "samples--muted"
            )
            text = self._captions[number][caption]
            fitted = shorten(text, self._tile.width) if caption else shorten_start(text, self._tile.width)
            return [Segment(fitted.ljust(self._tile.width if under else 0), style)]
        if caption == CAPTION:
            return []
        drawn = picture_line(self.app, self._samples[number], LARGE if self._large else SMALL, line)
        if drawn is None:
            return [Segment("?", self.get_component_rich_style("samples--muted"))] if line == 0 else []
        return drawn


def _caption(sample: Sample, names: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a caption: file, or index and loss; true class; predicted class, each with its
    probability."""
    loss = "" if sample.loss is None else f"  loss {units.loss(sample.loss)}"
    true, predicted = (names[n] if 0 <= n < len(names) else str(n) for n in (sample.true, sample.predicted))
    return (
        plain(sample.file, 200) or f"#{sample.index}{loss}",
        _with_probability(f"true {true}", sample.true_probability),
        _with_probability(f"predicted {predicted}", sample.probability),
    )


def _with_probability(name: str, probability: float | None) -> str:
    suffix = "" if probability is None else f"  {units.percent(probability)}"
    return shorten(name, MAX_WIDTH - len(suffix)) + suffix
