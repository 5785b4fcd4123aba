"""Draw parts of pictures as sixels: graphics of DEC's VT340 that many terminals draw.

A sixel is a column of six pixels in one color. A row of them is drawn once for each of its colors.
See https://vt100.net/docs/vt3xx-gp/chapter14.html
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from textual.geometry import Offset, Region, Size

from tuitrain.widgets.terminal.cells import PictureCell
from tuitrain.widgets.terminal.thumbnails import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# More colors hardly look better, and take more bytes.
_COLORS = 64
# The index of pixels that stay as they are.
_CLEAR = 255
# A sixel that is repeated often enough to be worth a count.
_REPEATED = re.compile(rb"([?-~])\1{3,}")


class Part(NamedTuple):
    """A part of picture `number` in `region` of the screen. The first cell of the picture would be at `origin`."""

    number: int
    origin: Offset
    region: Region


def parts_of(cells: Iterable[PictureCell]) -> Iterator[Part]:
    """Join cells, given from left to right, to rectangles of their pictures."""
    single = (Part(number, place - position, Region.from_offset(place, (1, 1))) for place, number, position in cells)
    lines = sorted(_joined(single), key=lambda part: (part.number, part.origin, part.region.x, part.region.y))
    return _joined(lines)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Join parts of a picture that follow each other and fill a rectangle together."""
    last: Part | None = None
    for part in parts:
        if last is not None:
            both = last.region.union(part.region)
            if last[:2] == part[:2] and both.area == last.region.area + part.region.area:
                last = last._replace(region=both)
                continue
            yield last
        last = part
    if last is not None:
        yield last


@lru_cache(64)
def sixels(picture: Picture, area: Size, part: Region, cell: Size) -> str:
    """Return the sequence that draws the cells `part` of a picture, which fills `area` as far as its proportions allow.
    `cell` is the size of a cell in pixels."""
    import numpy as np

    indices, palette = _indexed(picture, area.width * cell.width, area.height * cell.height)
    pixels = indices[part.y * cell.height : part.bottom * cell.height, part.x * cell.width : part.right * cell.width]
    height, width = pixels.shape
    used = [int(index) for index in np.unique(pixels) if index != _CLEAR]
    # The second parameter, 1, keeps the pixels that get no color.
    out = [f'\x1bP0;1q"1;1;{width};{height}'.encode()]
    out += [f"#{index};2;{';'.join(str(round(value / 2.55)) for value in palette[index])}".encode() for index in used]
    bands = b"-".join(_band(pixels[top : top + 6]) for top in range(0, height, 6))
    return (b"".join(out) + bands + b"\x1b\\").decode() if used else ""


@lru_cache(32)
def _indexed(picture: Picture, width: int, height: int) -> "tuple[NDArray[np.uint8], list[tuple[int, int, int]]]":
    """Return a picture in the middle of (height, width) pixels as the indices of its colors, and these colors."""
    import numpy as np
    from PIL import Image

    image = Image.frombytes("RGB" if picture.channels == 3 else "L", (picture.width, picture.height), picture.pixels)
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if scale < 1:
        image = image.resize(size, Image.Resampling.BOX)
    colored = image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    indices = np.full((height, width), _CLEAR, np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    indices[top : top + size[1], left : left + size[0]] = np.asarray(colored.resize(size, Image.Resampling.NEAREST))
    values = colored.getpalette() or []
    return indices, [(values[at], values[at + 1], values[at + 2]) for at in range(0, len(values) - 2, 3)]


def _band(pixels: "NDArray[np.uint8]") -> bytes:
    """Return at most six rows of pixels, (rows, width), as sixels."""
    import numpy as np

    used, at = np.unique(pixels, return_inverse=True)
    codes = np.full((len(used), pixels.shape[1]), ord("?"), np.uint8)
    for row, indices in enumerate(at.reshape(pixels.shape)):
        codes[indices, np.arange(pixels.shape[1])] += 1 << row
    colors = [b"#%d%s" % (i, line.tobytes().rstrip(b"?")) for i, line in zip(used, codes, strict=True) if i != _CLEAR]
    return _REPEATED.sub(_counted, b"$".join(colors))


def _counted(codes: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (len(codes[0]), codes[1])
