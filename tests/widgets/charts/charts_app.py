"""Check charts as text."""

from rich.text import Text

NAN, INF = float("nan"), float("inf")

BLUE, RED = (90, 170, 250), (250, 90, 80)

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


def rows(text: Text) -> list[str]:
    return text.plain.split("\n")


def check(text: Text, width: int, height: int) -> None:
    assert len(rows(text)) == (height if width and height else 1)
    assert all(line.cell_len <= width for line in text.split("\n"))
