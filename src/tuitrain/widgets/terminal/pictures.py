"""Draw small pictures in cells: with the terminal's graphics, as two pixels per cell, or as characters for shades."""

import sys
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.geometry import Size

from tuitrain.widgets.terminal.cell_size import cell_size
from tuitrain.widgets.terminal.images import Images
from tuitrain.widgets.terminal.painter import PaintedApp
from tuitrain.widgets.terminal.thumbnails import Picture, Pixel, is_consistent, reduced, thumbnail, thumbnail_size

SHADES = " .:-=+*#%@"
# The largest side in pixels of a picture that the terminal draws, and of one in an explanation: text shows fewer.
MAX_SIDE, GRAPHICS_SIDE, TEXT_SIDE = 384, 160, 64
# The pixels of a cell that text draws.
_TEXT_CELL = Size(1, 2)


def has_few_colors(app: App[Any]) -> bool:
    """Return whether the terminal has too few colors for shades."""
    return app.no_color or app.console.color_system in (None, "standard")


def draws_shades(app: App[Any]) -> bool:
    """Return whether pictures are drawn as characters, because the terminal lacks half blocks or colors."""
    utf8 = "utf" in (getattr(sys.__stderr__, "encoding", "") or "utf-8").lower()
    return _images(app) is None and (not utf8 or has_few_colors(app))


def pixels_to_request(app: App[Any], room: Size) -> Size:
    """Return the largest size in pixels that a picture in a room of cells can use."""
    cell = _picture_cell(app)
    width, height = max(1, room.width) * cell.width, max(1, room.height) * cell.height
    scale = min(1.0, MAX_SIDE / max(width, height)) if cell != _TEXT_CELL else 1.0
    return Size(round(width * scale), round(height * scale))


def side_to_request(app: App[Any]) -> int:
    """Return the largest side in pixels that a picture of an explanation can use."""
    return TEXT_SIDE if _picture_cell(app) == _TEXT_CELL else GRAPHICS_SIDE


def picture_area(app: App[Any], picture: Picture, side: int) -> Size:
    """Return the cells of a picture with at most `side` columns and half as many lines."""
    if _images(app) is not None and is_consistent(picture):
        return _fitted(picture, Size(side, max(1, side // 2)))
    width, height = thumbnail_size(picture, side)
    return Size(width, (height + 1) // 2)


def picture_line(app: App[Any], picture: Picture, side: int, line: int) -> list[Segment] | None:
    """Return a line of a picture with at most `side` columns and half as many lines. It is empty below the picture,
    and None if the pixels are inconsistent."""
    return _line(app, picture, picture_area(app, picture, side), side, line) if is_consistent(picture) else None


def whole_picture_line(app: App[Any], picture: Picture, room: Size, line: int) -> list[Segment]:
    """Return a line of a picture that fills its room; text does not enlarge it. The line is empty below the picture."""
    if not (is_consistent(picture) and room):
        return []
    factor = max(-(-picture.width // room.width), -(-picture.height // (2 * room.height)))
    side = -(-max(picture.width, picture.height) // factor)
    return _line(app, picture, _fitted(picture, room), side, line)


def _fitted(picture: Picture, room: Size) -> Size:
    """Return the largest area of the terminal's cells that a picture fills in its proportions."""
    cell = cell_size()
    scale = min(room.width * cell.width / picture.width, room.height * cell.height / picture.height)
    columns, lines = round(picture.width * scale / cell.width), round(picture.height * scale / cell.height)
    return Size(min(room.width, max(1, columns)), min(room.height, max(1, lines)))


def _line(app: App[Any], picture: Picture, area: Size, side: int, line: int) -> list[Segment]:
    """Return a line of a picture: in an area of cells with graphics, or as text of at most `side` columns."""
    if (images := _images(app)) is not None:
        if line >= area.height:
            return []
        # Over a slow connection, send no more pixels than text would show.
        sent = reduced(picture, min(MAX_SIDE, side) if _picture_cell(app) == _TEXT_CELL else MAX_SIDE)
        if (segment := images.line(sent, area, line)) is not None:
            return [segment]
    rows = thumbnail(picture, side)
    if rows is None or 2 * line >= len(rows):
        return []
    upper, lower = rows[2 * line], rows[2 * line + 1] if 2 * line + 1 < len(rows) else None
    return _ascii_shades(upper, lower) if draws_shades(app) else _half_blocks(upper, lower)


def _images(app: App[Any]) -> Images | None:
    return app.images if isinstance(app, PaintedApp) else None


def _picture_cell(app: App[Any]) -> Size:
    """Return the pixels that a cell may show: those of the terminal or, also over a slow connection, those of text."""
    return cell_size() if isinstance(app, PaintedApp) and app.images is not None and not app.slow else _TEXT_CELL


def _half_blocks(upper: list[Pixel], lower: list[Pixel] | None) -> list[Segment]:
    """Draw two rows of pixels as one line of ▀: the upper row in the foreground, the lower in the background color."""
    return [Segment("▀", _style(above, below)) for above, below in zip_longest(upper, lower or ())]


def _ascii_shades(upper: list[Pixel], lower: list[Pixel] | None) -> list[Segment]:
    lights = [sum(above) + sum(below) for above, below in zip(upper, upper if lower is None else lower, strict=True)]
    return [Segment("".join(SHADES[light * (len(SHADES) - 1) // (6 * 255)] for light in lights))]


@lru_cache(maxsize=4096)
def _style(above: Pixel, below: Pixel | None) -> Style:
    return Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below) if below else None)
