"""Which line of a chart is which, in few rows."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tuitrain.widgets.run_names import shortened

# Cells of a name at least, where more rows would be too many, and where another row gives it more.
SHORTEST, SHORT = 3, 6
GAP = 2


class Entry(NamedTuple):
    """`value` stands behind the name; `top` entries are shown before others where there is no room for all."""

    sign: str
    name: str
    style: Style
    top: bool = False
    value: str = ""


def legend(entries: Sequence[Entry], width: int, most: int) -> list[Text]:
    """In one row where names need not be cut to less than SHORT, else in up to `most`; where even that is too little,
    as many entries as there is room for, and how many more there are. At least one row."""
    for rows in range(1, most + 1):
        for room in _rooms(entries, width, rows, SHORT if rows < most else SHORTEST):
            lines = _lines(_texts(entries, room, align=rows > 1), Text(), width)
            if len(lines) <= rows:
                return lines
    return _some(entries, Text(), width, most, SHORT)


def readings(entries: Sequence[Entry], start: Text, width: int, rows: int) -> list[Text]:
    """`start` and the entries with their values, without names where there is no room for these."""
    for room in (*_rooms(entries, width, rows, SHORTEST), 0):
        lines = _lines(_texts(entries, room), start, width)
        if len(lines) <= rows:
            return lines
    return _some(entries, start, width, rows, 0)


def _rooms(entries: Sequence[Entry], width: int, rows: int, shortest: int) -> list[int]:
    """Cells of a name that may do: those of the longest, and an equal share of the rows."""
    if not entries:
        return []
    across = -(-len(entries) // rows)
    rest = max(cell_len(entry.sign) + 1 + cell_len(entry.value) for entry in entries)
    share = (width + GAP) // across - GAP - rest
    longest = max(cell_len(entry.name) for entry in entries)
    return [longest, *([share] if shortest <= share < longest else [])]


def _texts(entries: Sequence[Entry], room: int, *, align: bool = False) -> list[Text]:
    names = shortened(tuple(entry.name for entry in entries), room) if room else ("",) * len(entries)
    texts = [
        Text.assemble((f"{entry.sign} {name}" if name else entry.sign, entry.style), entry.value)
        for entry, name in zip(entries, names, strict=True)
    ]
    widest = max(text.cell_len for text in texts) if align else 0
    for text in texts:
        text.pad_right(max(widest - text.cell_len, 0))
    return texts


def _lines(texts: Sequence[Text], start: Text, width: int) -> list[Text]:
    """As few as hold all texts."""
    lines = [start.copy()]
    for text in texts:
        gap = Text(" " * GAP if lines[-1] else "")
        if lines[-1] and lines[-1].cell_len + gap.cell_len + text.cell_len > width:
            lines.append(text)
        else:
            lines[-1] = Text.assemble(lines[-1], gap, text)
    return lines


def _some(entries: Sequence[Entry], start: Text, width: int, rows: int, room: int) -> list[Text]:
    if width < 1:
        return [Text()]
    first = sorted(entries, key=lambda entry: not entry.top)
    texts = _texts(first, room)
    lines = [start]
    for fitting in range(len(texts) - 1, 0, -1):
        lines = _lines([*texts[:fitting], Text(f"+{len(texts) - fitting}")], start, width)
        if len(lines) <= rows:
            break
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:rows]
