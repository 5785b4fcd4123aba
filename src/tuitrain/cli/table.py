"""Print plain tables. Rich's tables take longer to import than thousands of rows to print."""

import os
import shutil
import sys
from collections.abc import Container, Iterator

from tuitrain.analysis.text_tables import Lines

# The minimum width of a truncated column.
_MIN_WIDTH = 6


def write_table(lines: Lines, right: Container[int] = (), gap: str = "  ") -> None:
    """Print the lines, titles first, to stdout; see `format_table`."""
    sys.stdout.write("".join(f"{line}\n" for line in format_table(lines, right, gap)))


def format_table(lines: Lines, right: Container[int] = (), gap: str = "  ") -> list[str]:
    """Return the lines, titles first, truncated to the width of the terminal if stdout is one. `right` are the numbers
    of the columns to align to the right."""
    terminal = sys.stdout.isatty()
    titles, *rows = _table(lines, right, gap, shutil.get_terminal_size().columns if terminal else None)
    if terminal and os.environ.get("TERM") != "dumb":
        titles = f"\x1b[1m{titles}\x1b[m"
    return [titles, *rows]


def _table(lines: Lines, right: Container[int], gap: str, width: int | None) -> Iterator[str]:
    """Truncate the widest columns to fit `width`."""
    sizes = [[_cells(text) for text in column] for column in zip(*lines, strict=True)]
    widths = [max(column) for column in sizes]
    if width is not None:
        while sum(widths) + len(gap) * (len(widths) - 1) > width and max(widths) > _MIN_WIDTH:
            widths[widths.index(max(widths))] -= 1
    for number, line in enumerate(lines):
        padded = [_pad(text, sizes[index][number], widths[index], index in right) for index, text in enumerate(line)]
        yield gap.join(padded).rstrip()


def _pad(text: str, size: int, room: int, right: bool) -> str:
    if size > room:
        from rich.cells import set_cell_size

        return f"{set_cell_size(text, room - 1)}…"
    space = " " * (room - size)
    return space + text if right else text + space


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
