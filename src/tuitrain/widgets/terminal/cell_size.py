"""Ask the terminal for the size of its cells."""

import fcntl
import struct
import sys
import termios

from textual.geometry import Size

# The pixels of a cell if the terminal does not report them. Windows Terminal scales sixels to cells of this size.
_USUAL_CELL = Size(10, 20)


def cell_size() -> Size:
    """Return the width and height of a cell in pixels."""
    try:
        # Textual draws on stderr.
        answer = fcntl.ioctl(2 if sys.__stderr__ is None else sys.__stderr__.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (OSError, ValueError):
        return _USUAL_CELL
    lines, columns, width, height = struct.unpack("HHHH", answer)
    return Size(width // columns, height // lines) if 0 < columns <= width and 0 < lines <= height else _USUAL_CELL
