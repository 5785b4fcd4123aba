"""The legend of a chart in one or two rows."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tuitrain.widgets.run_names import keep_numbers, shorten_names

# The minimum width of a name on the last possible row, and before another row is added.
MIN_NAME, COMFORTABLE_NAME = 3, 6
# The width above which a name is cut even within a number.
LONG_NAME = 24
GAP = 2


class Entry(NamedTuple):
    """A sign, a name and optionally a value. `top` entries come first if there is no room for all."""

    sign: str
    name: str
    style: Style
    top: bool = False
    value: str = ""


def legend(entries: Sequence[Entry], width: int, max_rows: int) -> list[Text]:
    """Arrange the entries in as few rows as possible, at least one. Names are shortened if necessary. If `max_rows`
    rows are not enough, the last entry counts the missing ones: "+3"."""
    for rows in range(1, max_rows + 1):
        for room in _name_widths(entries, width, rows, COMFORTABLE_NAME if rows < max_rows else MIN_NAME):
            if not _numbers_fit(entries, room):
                continue
            lines = _wrap(_entry_texts(entries, room, align=rows > 1), Text(), width)
            if len(lines) <= rows:
                return lines
    room = next((room for room in range(COMFORTABLE_NAME, LONG_NAME) if _numbers_fit(entries, room)), LONG_NAME)
    return _truncated(entries, Text(), width, max_rows, room)


def _numbers_fit(entries: Sequence[Entry], room: int) -> bool:
    names = tuple(entry.name for entry in entries)
    return keep_numbers(names, shorten_names(names, room))


def readings(entries: Sequence[Entry], start: Text, width: int, rows: int) -> list[Text]:
    """Arrange `start` and the entries with their values; drop the names if there is no room."""
    for room in (*_name_widths(entries, width, rows, MIN_NAME), 0):
        lines = _wrap(_entry_texts(entries, room), start, width)
        if len(lines) <= rows:
            return lines
    return _truncated(entries, start, width, rows, 0)


def _name_widths(entries: Sequence[Entry], width: int, rows: int, shortest: int) -> list[int]:
    """Return the name widths to try: that of the longest name, and an equal share of the rows."""
    if not entries:
        return []
    per_row = -(-len(entries) // rows)
    rest = max(cell_len(entry.sign) + 1 + cell_len(entry.value) for entry in entries)
    share = (width + GAP) // per_row - GAP - rest
    longest = max(cell_len(entry.name) for entry in entries)
    return [longest, *([share] if shortest <= share < longest else [])]


def _entry_texts(entries: Sequence[Entry], room: int, *, align: bool = False) -> list[Text]:
    names = shorten_names(tuple(entry.name for entry in entries), room) if room else ("",) * len(entries)
    texts = [
        Text.assemble((f"{entry.sign} {name}" if name else entry.sign, entry.style), entry.value)
        for entry, name in zip(entries, names, strict=True)
    ]
    widest = max(text.cell_len for text in texts) if align else 0
    for text in texts:
        text.pad_right(max(widest - text.cell_len, 0))
    return texts


def _wrap(texts: Sequence[Text], start: Text, width: int) -> list[Text]:
    lines = [start.copy()]
    for text in texts:
        gap = Text(" " * GAP if lines[-1] else "")
        if lines[-1] and lines[-1].cell_len + gap.cell_len + text.cell_len > width:
            lines.append(text)
        else:
            lines[-1] = Text.assemble(lines[-1], gap, text)
    return lines


def _truncated(entries: Sequence[Entry], start: Text, width: int, rows: int, room: int) -> list[Text]:
    if width < 1:
        return [Text()]
    first = sorted(entries, key=lambda entry: not entry.top)
    texts = _entry_texts(first, room)
    lines = [start]
    for count in range(len(texts) - 1, 0, -1):
        lines = _wrap([*texts[:count], Text(f"+{len(texts) - count}")], start, width)
        if len(lines) <= rows:
            break
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:rows]
