"""Draw a sheet of augmented training images: one row per image, the original first."""

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuitrain.hosts.preview.sheet import Sheet, SheetPicture
from tuitrain.text import plain
from tuitrain.widgets.shorten import shorten
from tuitrain.widgets.terminal.pictures import picture_area, picture_line

# Possible sides of a picture in pixels, and the fewest columns for which a larger one is chosen.
SIDES = (64, 48, 32, 24, 16)
MIN_COLUMNS = 5
GAP = 2


class AugmentedImages(ScrollView, can_focus=True):
    """Draws a sheet in the largest size at which all rows fit, or in the size that the user chooses."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"images--label", "images--muted"}
    DEFAULT_CSS = """
    AugmentedImages {
        scrollbar-size: 1 1;
        overflow-x: hidden;
        & > .images--label { color: $foreground; }
        & > .images--muted { color: $foreground 65%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "Scroll down", show=False, id="sheet.down"),
        Binding("k,up", "scroll_up", "Scroll up", show=False, id="sheet.up"),
        Binding("z", "toggle_size", "size", tooltip="Small or large images", id="sheet.size"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._sheet: Sheet | None = None
        self._enlarged = False
        self._side, self._tile = SIDES[-1], Size(1, 1)

    def show(self, sheet: Sheet | None) -> None:
        self._sheet = sheet
        self._update_layout()

    def action_toggle_size(self) -> None:
        self._enlarged = not self._enlarged
        self._update_layout()

    def on_resize(self, _: Resize) -> None:
        self._update_layout()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._update_layout()

    def _update_layout(self) -> None:
        rows, area = self._sheet.rows if self._sheet else (), self.scrollable_content_region.size
        if rows:
            fitting = (side for side in SIDES if self._fits(rows[0].original, side, len(rows), area))
            self._side = next(fitting, SIDES[-1])
            if self._enlarged:
                self._side = SIDES[max(0, SIDES.index(self._side) - 1)]
            self._tile = self._tile_size(rows[0].original, self._side)
        self.virtual_size = Size(area.width, len(rows) * self._tile.height)
        self.refresh()

    def _fits(self, picture: SheetPicture, side: int, rows: int, area: Size) -> bool:
        tile = self._tile_size(picture, side)
        return rows * tile.height <= area.height and MIN_COLUMNS * tile.width - GAP <= area.width

    def _tile_size(self, picture: SheetPicture, side: int) -> Size:
        size = picture_area(self.app, picture, side)
        return Size(size.width + GAP, size.height + 1)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        number, line = divmod(y + self.scroll_offset.y, self._tile.height)
        rows = self._sheet.rows if self._sheet else ()
        segments: list[Segment] = []
        if number < len(rows):
            row = rows[number]
            if line == 0:
                segments = self._labels(row.label, width)
            else:
                columns = max(1, (width + GAP) // self._tile.width)
                for picture in (row.original, *row.variants)[:columns]:
                    segments += self._picture_line(picture, line - 1)
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)

    def _labels(self, label: str, width: int) -> list[Segment]:
        name = shorten(plain(label), self._tile.width - GAP).ljust(self._tile.width)
        segments = [Segment(name, self.get_component_rich_style("images--label"))]
        if width > self._tile.width:
            segments.append(Segment("in training", self.get_component_rich_style("images--muted")))
        return segments

    def _picture_line(self, picture: SheetPicture, line: int) -> Strip:
        return Strip(picture_line(self.app, picture, self._side, line) or ()).adjust_cell_length(self._tile.width)
