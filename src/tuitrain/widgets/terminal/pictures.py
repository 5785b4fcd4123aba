"""Draw small pictures as text: two pixels per cell, or shades of gray in characters."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Protocol

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.geometry import Size

SHADES = " .:-=+*#%@"
Pixel = tuple[int, int, int]


class Picture(Protocol):
    """An image with `height` * `width` * `channels` bytes, with 1 or 3 channels; hashable."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def pixels(self) -> bytes: ...


def has_few_colors(app: App[Any]) -> bool:
    """Return whether the terminal has too few colors for shades."""
    return app.no_color or app.console.color_system in (None, "standard")


def draws_shades(app: App[Any]) -> bool:
    """Return whether pictures are drawn as characters, because the terminal lacks half blocks or colors."""
    utf8 = "utf" in (getattr(sys.__stderr__, "encoding", "") or "utf-8").lower()
    return not utf8 or has_few_colors(app)


def picture_line(rows: Sequence[list[Pixel]], line: int, *, shades: bool) -> list[Segment]:
    """Return line `line` of a picture with these rows of pixels, two per line; empty below the picture."""
    if 2 * line >= len(rows):
        return []
    upper, lower = rows[2 * line], rows[2 * line + 1] if 2 * line + 1 < len(rows) else None
    return _ascii_shades(upper, lower) if shades else _half_blocks(upper, lower)


@lru_cache(maxsize=512)
def thumbnail(picture: Picture, side: int) -> list[list[Pixel]] | None:
    """Return rows of (red, green, blue), at most `side` by `side`; None if its pixels are inconsistent."""
    pixels, height, width, channels = picture.pixels, picture.height, picture.width, picture.channels
    if channels not in (1, 3) or min(height, width) < 1 or len(pixels) != height * width * channels:
        return None
    factor = _factor(height, width, side)
    rows = [range(y, min(y + factor, height)) for y in range(0, height, factor)]
    columns = [range(x, min(x + factor, width)) for x in range(0, width, factor)]
    return [[_mean(pixels, row, column, width, channels) for column in columns] for row in rows]


def _mean(pixels: bytes, rows: range, columns: range, width: int, channels: int) -> Pixel:
    """Average a box, using at most 8 by 8 of its pixels."""
    rows, columns = rows[:: -(-len(rows) // 8)], columns[:: -(-len(columns) // 8)]
    offsets = [(y * width + x) * channels for y in rows for x in columns]
    red, green, blue = (sum(pixels[offset + c % channels] for offset in offsets) // len(offsets) for c in range(3))
    return red, green, blue


def _factor(height: int, width: int, side: int) -> int:
    return max(1, -(-max(height, width) // side))


def thumbnail_size(picture: Picture, side: int) -> Size:
    factor = _factor(picture.height, picture.width, side)
    return Size(min(side, -(-max(1, picture.width) // factor)), min(side, -(-max(1, picture.height) // factor)))


def _half_blocks(upper: list[Pixel], lower: list[Pixel] | None) -> list[Segment]:
    """Draw two rows of pixels as one line of ▀: the upper row in the foreground, the lower in the background color."""
    return [Segment("▀", _style(above, below)) for above, below in zip_longest(upper, lower or ())]


def _ascii_shades(upper: list[Pixel], lower: list[Pixel] | None) -> list[Segment]:
    lights = [sum(above) + sum(below) for above, below in zip(upper, upper if lower is None else lower, strict=True)]
    return [Segment("".join(SHADES[light * (len(SHADES) - 1) // (6 * 255)] for light in lights))]


@lru_cache(maxsize=4096)
def _style(above: Pixel, below: Pixel | None) -> Style:
    return Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below) if below else None)
