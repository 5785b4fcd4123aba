"""Encode pictures in kitty's graphics protocol, for cells that show parts of them.

The app sends a picture once, with a number and the size of its area. A cell that holds a placeholder with the number,
a row and a column then shows this part of the picture. Textual treats a placeholder as a character, so that pictures
scroll like text and dialogs cover them. See https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders
"""

import base64
import random
import zlib
from collections.abc import Iterator

from textual.geometry import Offset, Size

from tuitrain.widgets.terminal.thumbnails import Picture
from tuitrain.widgets.terminal.tmux import passed_through

PLACEHOLDER = "\U0010eeee"
# The marks that stand for the numbers from 0, as ranges of code points; from kitty's rowcolumn-diacritics.txt.
_RANGES = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 5a8-5a9 5ab-5ac 5af
5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733 735-736 73a 73d 73f-741 743 745 747 749-74a
7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c 1b6b
1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7 20db-20dc 20e1 20e7
20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1
"""


def _marks() -> Iterator[str]:
    for part in _RANGES.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


MARKS = "".join(_marks())[:256]
"""The marks for rows, columns and numbers of pictures, from 0 to 255."""
_NUMBERS = {mark: number for number, mark in enumerate(MARKS)}
# The low byte of an image id is the foreground color of its cells, and the high byte their third mark. The color is
# random, because another tuitrain may draw in another pane of the same terminal.
_COLOR = random.randrange(16, 256)
FOREGROUND = f"38;5;{_COLOR}"
"""The SGR codes of the foreground color of placeholders."""
# Base64 characters in one sequence.
_CHUNK = 4096


def placeholders(number: int, row: int, columns: int) -> str:
    """Return the cells of a row of picture `number`. Each contains its position, so that a dialog may cover
    some of them."""
    return "".join(f"{PLACEHOLDER}{MARKS[row]}{MARKS[column]}{MARKS[number]}" for column in range(columns))


def number_of(cell: str) -> int:
    """Return the number of the picture of which a placeholder shows a part; 0 if it is malformed."""
    return _NUMBERS.get(cell[3:4], 0)


def position_of(cell: str) -> Offset:
    """Return the column and row of a placeholder in its picture; 0 where it is malformed."""
    return Offset(_NUMBERS.get(cell[2:3], 0), _NUMBERS.get(cell[1:2], 0))


def transmission(number: int, picture: Picture, area: Size) -> str:
    """Return the sequences that send a picture, which fills an area of cells as far as its proportions allow."""
    pixels = picture.pixels
    if picture.channels == 1:
        pixels = bytes(byte for pixel in pixels for byte in (pixel, pixel, pixel))
    text = base64.b64encode(zlib.compress(pixels)).decode()
    keys = f"a=T,U=1,q=2,f=24,o=z,s={picture.width},v={picture.height},i={_id(number)},c={area.width},r={area.height},"
    sequences = []
    for start in range(0, len(text), _CHUNK):
        more = int(start + _CHUNK < len(text))
        sequences.append(passed_through(f"\x1b_G{keys}m={more};{text[start : start + _CHUNK]}\x1b\\"))
        keys = "q=2,"
    return "".join(sequences)


def deletion(number: int) -> str:
    """Return the sequence that deletes a picture and frees its memory."""
    return passed_through(f"\x1b_Ga=d,d=I,q=2,i={_id(number)}\x1b\\")


def _id(number: int) -> int:
    return number << 24 | _COLOR
