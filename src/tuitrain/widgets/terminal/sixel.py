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

# More colors hardly look better, and take as many bytes more.
_COLORS = 64
# The index of pixels that stay as they are.
_CLEAR = 255
# A sixel that is repeated often enough to be worth a count.
_REPEATED = re.compile(rb"([?-~])\1{3,}")


class Part(NamedTuple):
    """A part of picture `number`: the place of its first cell on the screen, and its cells within the picture."""

    number: int
    place: Offset
    region: Region


def parts_of(cells: Iterable[PictureCell]) -> Iterator[Part]:
    """Join cells, given from left to right and from top to bottom, to rectangles of their pictures."""
    parts: list[Part] = []
    for part in _runs(cells):
        above = next((i for i, upper in enumerate(parts) if _continues_below(upper, part)), None)
        if above is None:
            parts.append(part)
        else:
            parts[above] = parts[above]._replace(region=parts[above].region.grow((0, 0, 1, 0)))
    yield from parts


def _runs(cells: Iterable[PictureCell]) -> Iterator[Part]:
    run: Part | None = None
    for place, number, position in cells:
        if run is not None:
            after = Offset(run.region.width, 0)
            if (number, place, position) == (run.number, run.place + after, run.region.offset + after):
                run = run._replace(region=run.region.grow((0, 1, 0, 0)))
                continue
            yield run
        run = Part(number, place, Region.from_offset(position, (1, 1)))
    if run is not None:
        yield run


def _continues_below(upper: Part, part: Part) -> bool:
    below = Offset(0, upper.region.height)
    return (
        part.number == upper.number
        and part.place == upper.place + below
        and part.region.offset == upper.region.offset + below
        and part.region.width == upper.region.width
    )


@lru_cache(256)
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
    out += [_band(pixels[top : top + 6]) for top in range(0, height, 6)]
    return (b"".join(out) + b"\x1b\\").decode() if used else ""


@lru_cache(64)
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
    return _REPEATED.sub(_counted, b"$".join(colors)) + b"-"


def _counted(codes: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (len(codes[0]), codes[1])
