"""Keep the cells of the screen and compute the shortest output that updates a terminal.

Textual rewrites whole widgets and repeats the full style around every segment. For a chart that grew by one point this
takes twenty times the bytes of the changed cells.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.segment import Segment
from textual.geometry import Offset, Size
from textual.strip import Strip

from tuitrain.widgets.terminal.kitty import FOREGROUND, PLACEHOLDER, number_of, position_of
from tuitrain.widgets.terminal.textual_internals import ChopsUpdate, CompositorUpdate, LayoutUpdate, style_codes

# Latin, Greek, Cyrillic, box drawing, blocks and braille take one cell each; other widths are looked up.
_NARROW = re.compile("[\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u2500-\u25fc\u2800-\u28ff]*")
_UNKNOWN = "\0"
# SGR codes that are visible on a space: underline, reverse, strike, double underline, overline.
_VISIBLE_ON_BLANK = frozenset({"4", "7", "9", "21", "53"})
# The SGR code that ends an attribute; some end two.
_END = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29", "21": "24",
        "51": "54", "52": "54", "53": "55"}  # fmt: skip
# Unchanged cells that are cheaper to rewrite than to skip by a cursor movement.
_SKIP = 4


class Pen(NamedTuple):
    """A style as SGR codes; an empty color is the terminal's default."""

    foreground: str
    background: str
    attributes: frozenset[str]


_PLAIN = Pen("", "", frozenset())


class PictureCell(NamedTuple):
    """A cell of the screen that shows the part of picture `number` at `position`, a column and a row of the picture."""

    place: Offset
    number: int
    position: Offset


class Cells:
    """The cells that the screen should show, and the cells that the terminal shows now."""

    def __init__(self) -> None:
        self.size = Size(0, 0)
        self._wanted: list[tuple[list[str], list[Pen]]] = []
        self._shown: list[tuple[list[str], list[Pen]]] = []
        self._touched: set[int] = set()

    def apply(self, update: CompositorUpdate, size: Size, colors: ColorSystem) -> None:
        """Store an update. A new `size` invalidates everything."""
        if size != self.size:
            self.size = size
            self._wanted = [_blank(size.width, "") for _ in range(size.height)]
            self.invalidate()
        for y, x, strip in _strips(update):
            if y < size.height:
                self._touched.add(y)
                chars, pens = self._wanted[y]
                for segment in strip:
                    x = _put(chars, pens, x, segment, colors)

    def invalidate(self) -> None:
        """Assume nothing about what the terminal shows."""
        self._shown = [_blank(self.size.width, _UNKNOWN) for _ in self._wanted]
        self._touched = set(range(self.size.height))

    def pictures(self) -> set[int]:
        """Return the numbers of the pictures that the screen should show."""
        cells = (char for chars, _ in self._wanted for char in chars)
        return {number_of(char) for char in cells if char[:1] == PLACEHOLDER}

    def take_changes(self, drawn_apart: list[PictureCell] | None = None) -> str:
        """Return the output that updates the terminal, and assume that it is written. It resets the style and leaves
        the cursor at an unspecified position. With `drawn_apart`, write blanks in place of pictures and append their
        cells to it."""
        out: list[str] = []
        pen = _PLAIN
        for y in sorted(self._touched):
            if self._wanted[y] != self._shown[y]:
                pen = self._write_row(y, pen, out, drawn_apart)
                chars, pens = self._wanted[y]
                self._shown[y] = (chars.copy(), pens.copy())
        self._touched.clear()
        if pen != _PLAIN:
            out.append("\x1b[m")
        return "".join(out)

    def _write_row(self, y: int, pen: Pen, out: list[str], drawn_apart: list[PictureCell] | None) -> Pen:
        (chars, pens), (old_chars, old_pens) = self._wanted[y], self._shown[y]
        cursor = -1  # column, or -1 if unknown
        for x, (char, wanted, old, shown) in enumerate(zip(chars, pens, old_chars, old_pens, strict=True)):
            if not char or (char == old and wanted is shown):
                continue
            if x != cursor:
                between = range(cursor, x) if 0 <= cursor < x <= cursor + _SKIP else ()
                if between and all(_continues(pen, pens[i], chars[i]) for i in between):
                    out.extend(chars[cursor:x])
                else:
                    out.append(f"\x1b[{x + 1}G" if cursor >= 0 else f"\x1b[{y + 1};{x + 1}H")
            if drawn_apart is not None and char[0] == PLACEHOLDER:
                drawn_apart.append(PictureCell(Offset(x, y), number_of(char), position_of(char)))
                char = " "
            escape, pen = _change(pen, wanted, char == " ")
            out.append(escape + char)
            # Terminals disagree on the width of characters that are not narrow.
            cursor = x + 1 if _NARROW.fullmatch(char) or char[0] == PLACEHOLDER else -1
        return pen


def _continues(pen: Pen, wanted: Pen, char: str) -> bool:
    """Return whether a cell is text that looks as wanted if it is written in the style of `pen`."""
    return char != "" and char[0] != PLACEHOLDER and not _change(pen, wanted, char == " ")[0]


def _blank(width: int, char: str) -> tuple[list[str], list[Pen]]:
    return [char] * width, [_PLAIN] * width


def _strips(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield y, x, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, first, last in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is not None and x < last and end > first:
                    yield y, x, chop


def _put(chars: list[str], pens: list[Pen], x: int, segment: Segment, colors: ColorSystem) -> int:
    """Store a segment at column `x` and return the column after it."""
    text, style, control = segment
    if control:
        return x
    codes = style_codes(style, colors)
    new = list(text) if _NARROW.fullmatch(text) else _split(text)
    pen, blank = _pen(codes, False), _pen(codes, True)
    end = min(x + len(new), len(chars))
    chars[x:end] = new[: end - x]
    pens[x:end] = [pen] * (end - x) if " " not in text else [blank if char == " " else pen for char in new[: end - x]]
    if PLACEHOLDER in text:
        # A dialog changes the colors of the screen below, but this one identifies the picture.
        picture = _interned(Pen(FOREGROUND, pen.background, frozenset()))
        pens[x:end] = [picture if chars[at][:1] == PLACEHOLDER else pens[at] for at in range(x, end)]
    return x + len(new)


@lru_cache(1024)
def _split(text: str) -> list[str]:
    """Split text into one string per cell: zero-width characters join the cell before, wide ones add empty cells."""
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        cells += [text[start:end], *[""] * (width - 1)] if width else []
    return cells


@lru_cache(4096)
def _pen(codes: str, blank: bool) -> Pen:
    """Parse SGR codes; for a blank cell keep only what is visible on it."""
    parts: Iterator[str] = iter(codes.split(";") if codes else ())
    colors, attributes = {"3": "", "4": ""}, set()
    for part in parts:
        if part in ("38", "48"):
            kind = next(parts)
            colors[part[0]] = ";".join([part, kind, *(next(parts) for _ in range(1 if kind == "5" else 3))])
        elif part in ("39", "49"):
            colors[part[0]] = ""
        elif len(part) > 1 and part[:-1] in ("3", "4", "9", "10"):
            colors["3" if part[:-1] in ("3", "9") else "4"] = part
        else:
            attributes.add(part)
    if blank:
        attributes &= _VISIBLE_ON_BLANK
    return _interned(Pen(colors["3"] if attributes or not blank else "", colors["4"], frozenset(attributes)))


@lru_cache(4096)
def _interned(pen: Pen) -> Pen:
    """Return one object per value, so that pens can be compared by identity."""
    return pen


@lru_cache(8192)
def _change(old: Pen, new: Pen, blank: bool) -> tuple[str, Pen]:
    """Return the shortest sequence from `old` to `new`, and the resulting pen; on a blank it may differ from `new`."""
    if blank and not new.attributes and not old.attributes & _VISIBLE_ON_BLANK:
        new = Pen(old.foreground, new.background, old.attributes)
    if old == new:
        return "", old
    ended = {_END[code] for code in old.attributes - new.attributes}
    kept = {code for code in old.attributes & new.attributes if _END[code] not in ended}
    changed = [*sorted(ended), *sorted(new.attributes - kept)]
    changed += [new.foreground or "39"] if new.foreground != old.foreground else []
    changed += [new.background or "49"] if new.background != old.background else []
    fresh = ["0", *sorted(new.attributes), new.foreground, new.background]
    return min(_sgr(changed), _sgr(fresh), key=len), new


def _sgr(codes: Iterable[str]) -> str:
    return f"\x1b[{';'.join(filter(None, codes))}m"
