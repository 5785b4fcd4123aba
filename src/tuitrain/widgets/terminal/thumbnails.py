"""Reduce pictures to the few pixels that text can show."""

from functools import lru_cache
from typing import NamedTuple, Protocol

from textual.geometry import Size

Pixel = tuple[int, int, int]


class Picture(Protocol):
    """An image with `height` * `width` * `channels` bytes, with 1 or 3 channels."""

    def __hash__(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def pixels(self) -> bytes: ...


class _Reduced(NamedTuple):
    height: int
    width: int
    channels: int
    pixels: bytes


def is_consistent(picture: Picture) -> bool:
    """Return whether the picture has as many pixels as its size says."""
    height, width, channels = picture.height, picture.width, picture.channels
    return channels in (1, 3) and min(height, width) >= 1 and len(picture.pixels) == height * width * channels


@lru_cache(maxsize=512)
def thumbnail(picture: Picture, side: int) -> list[list[Pixel]] | None:
    """Return rows of (red, green, blue), at most `side` by `side`; None if its pixels are inconsistent."""
    pixels, height, width, channels = picture.pixels, picture.height, picture.width, picture.channels
    if not is_consistent(picture):
        return None
    factor = _factor(height, width, side)
    rows = [range(y, min(y + factor, height)) for y in range(0, height, factor)]
    columns = [range(x, min(x + factor, width)) for x in range(0, width, factor)]
    return [[_mean(pixels, row, column, width, channels) for column in columns] for row in rows]


@lru_cache(maxsize=512)
def reduced(picture: Picture, side: int) -> Picture:
    """Return a consistent picture with at most `side` by `side` pixels."""
    if max(picture.height, picture.width) <= side or (rows := thumbnail(picture, side)) is None:
        return picture
    return _Reduced(len(rows), len(rows[0]), 3, bytes(value for row in rows for pixel in row for value in pixel))


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
