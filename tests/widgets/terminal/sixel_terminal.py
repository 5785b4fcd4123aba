"""A small model of a terminal with sixel graphics: text erases the pixels of its cell, and sixels fill pixels."""

import re

import numpy as np

_TOKEN = re.compile(
    r"\x1b\[(?P<place>\d+;\d+)H|\x1b\[(?P<column>\d+)G|\x1b\[[\d;]*m"
    r'|\x1bP0;1q"1;1;(?P<width>\d+);(?P<height>\d+)(?P<sixels>[^\x1b]*)\x1b\\|(?P<char>[^\x1b])'
)
_SIXEL = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])")


class SixelTerminal:
    """`pixels` are (height, width, 3) uint8; `pictures` counts the sixel pictures received."""

    def __init__(self, columns: int, lines: int, cell: tuple[int, int] = (10, 20)) -> None:
        self.cell = cell
        self.pixels = np.zeros((lines * cell[1], columns * cell[0], 3), np.uint8)
        self.pictures = 0
        self._column = self._line = 0

    def write(self, text: str) -> None:
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            assert token is not None, repr(text[at : at + 40])
            at = token.end()
            if token["place"]:
                line, column = token["place"].split(";")
                self._line, self._column = int(line) - 1, int(column) - 1
            elif token["column"]:
                self._column = int(token["column"]) - 1
            elif token["char"]:
                width, height = self.cell
                top, left = self._line * height, self._column * width
                self.pixels[top : top + height, left : left + width] = 0
                self._column += 1
            elif token["width"]:
                self._draw(int(token["width"]), int(token["height"]), token["sixels"])

    def _draw(self, width: int, height: int, sixels: str) -> None:
        self.pictures += 1
        top, left = self._line * self.cell[1], self._column * self.cell[0]
        part = self.pixels[top : top + height, left : left + width]
        colors: dict[int, list[float]] = {}
        color = x = y = at = 0
        while at < len(sixels):
            token = _SIXEL.match(sixels, at)
            assert token is not None, sixels[at : at + 40]
            at = token.end()
            defined, red, green, blue, chosen, count, repeated, single, move = token.groups()
            if defined:
                colors[int(defined)] = [int(value) * 2.55 for value in (red, green, blue)]
            elif chosen:
                color = int(chosen)
            elif move:
                x, y = 0, y + 6 * (move == "-")
            else:
                times, bits = int(count or 1), ord(repeated or single) - ord("?")
                for row in range(6):
                    if bits >> row & 1:
                        assert y + row < height
                        assert x + times <= width
                        part[y + row, x : x + times] = colors[color]
                x += times
