"""Parse the lines of a file that contains one JSON object per line."""

from collections.abc import Iterator

from tuitrain.runs.external.json_text import decode, flat
from tuitrain.runs.external.rows import Row


class JsonLines:
    """Converts lines to rows. `problem` describes the first damaged line."""

    def __init__(self) -> None:
        self.problem = ""

    def rows(self, lines: list[bytes], first: int) -> Iterator[tuple[int, Row]]:
        """Yield the number and the values of each row. `first` is the number of the first line, counted from 0."""
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            value = decode(line)
            if isinstance(value, dict):
                yield number + 1, dict(flat(value))
            elif not self.problem:
                self.problem = f"Line {number + 1:,} is not a JSON object."
