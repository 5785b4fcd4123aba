"""A small model of a terminal with kitty's graphics: it keeps the pictures that it receives."""

import base64
import re
import zlib
from typing import NamedTuple

from tuitrain.widgets.terminal.kitty import MARKS, PLACEHOLDER

_SEQUENCE = re.compile("\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\\\")
_IN_TMUX = re.compile("\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\\\")
_CELL = re.compile(f"38;5;([0-9]+)[^m]*m|{PLACEHOLDER}(.)(.)(.)")


class Kept(NamedTuple):
    width: int
    height: int
    columns: int
    lines: int
    pixels: bytes


class Cell(NamedTuple):
    id: int
    line: int
    column: int


class GraphicsTerminal:
    def __init__(self, *, in_tmux: bool = False) -> None:
        self.kept: dict[int, Kept] = {}
        self.received = ""
        self.chunks: list[int] = []
        self._in_tmux = in_tmux
        self._keys: dict[str, str] = {}
        self._data = ""

    def write(self, text: str) -> None:
        self.received += text
        if self._in_tmux:
            assert "\x1b_G" not in _IN_TMUX.sub("", text)
            text = "".join(inner.replace("\x1b\x1b", "\x1b") for inner in _IN_TMUX.findall(text))
        for keys, data in _SEQUENCE.findall(text):
            self._take(dict(key.split("=") for key in keys.split(",")), data)

    def _take(self, keys: dict[str, str], data: str) -> None:
        assert keys["q"] == "2", "the terminal must not answer"
        if keys.get("a") == "d":
            assert keys["d"] == "I", "the terminal must free the memory"
            self.kept.pop(int(keys["i"]), None)
            return
        self._keys, self._data = keys if "a" in keys else self._keys, self._data + data
        self.chunks.append(len(data))
        if keys["m"] == "0":
            first, pixels = self._keys, zlib.decompress(base64.b64decode(self._data))
            assert (first["a"], first["U"], first["f"], first["o"]) == ("T", "1", "24", "z")
            width, height, columns, lines = (int(first[key]) for key in "svcr")
            assert len(pixels) == 3 * width * height
            self.kept[int(first["i"])] = Kept(width, height, columns, lines, pixels)
            self._data = ""

    @property
    def cells(self) -> list[Cell]:
        """The placeholders received so far."""
        cells, low = [], 0
        for match in _CELL.finditer(self.received):
            if match[1]:
                low = int(match[1])
            else:
                line, column, high = (MARKS.index(mark) for mark in match.groups()[1:])
                cells.append(Cell(high << 24 | low, line, column))
        return cells
