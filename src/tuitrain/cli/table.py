"""Print a plain table quickly: thousands of rows take less time than importing Rich's tables."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence

GAP = "  "
# The minimum width of a truncated column.
_MIN_WIDTH = 6


def write_table(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print a table to stdout, truncated to the width of the terminal if stdout is one."""
    terminal = sys.stdout.isatty()
    first, *others = table(titles, rows, right, shutil.get_terminal_size().columns if terminal else None)
    if terminal and os.environ.get("TERM") != "dumb":
        first = f"\x1b[1m{first}\x1b[m"
    sys.stdout.write("".join(f"{line}\n" for line in (first, *others)))


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], width: int | None = None
) -> Iterator[str]:
    """Yield the lines, titles first; truncate the widest columns to fit `width`."""
    measured = [[_cells(text) for text in column] for column in zip(titles, *rows, strict=True)]
    widths = [max(column) for column in measured]
    if width is not None:
        while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > _MIN_WIDTH:
            widths[widths.index(max(widths))] -= 1
    for number, row in enumerate((titles, *rows)):
        padded = [
            _pad(text, column[number], room, at_right)
            for text, column, room, at_right in zip(row, measured, widths, right, strict=True)
        ]
        yield GAP.join(padded).rstrip()


def _pad(text: str, size: int, room: int, right: bool) -> str:
    if size > room:
        text = _truncate(text, room)
        size = _cells(text)
    return " " * (room - size) + text if right else text + " " * (room - size)


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _truncate(text: str, room: int) -> str:
    while text and _cells(text) > room - 1:
        text = text[:-1]
    return f"{text}…"
