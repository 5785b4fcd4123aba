"""Shorten texts to a width in terminal cells."""

from rich.cells import cell_len, set_cell_size


def shorten(text: str, width: int) -> str:
    """Replace the end with `…` if the text is wider than `width`."""
    return text if cell_len(text) <= width else cut(text, width - 1) + "…"


def shorten_start(text: str, width: int) -> str:
    """Replace the start with `…` if the text is wider than `width`: the end of a path tells files apart."""
    return text if cell_len(text) <= width else "…" + cut(text[::-1], width - 1)[::-1]


def shorten_middle(text: str, width: int) -> str:
    """Replace the middle with `…` if the text is wider than `width`."""
    half = (width - 1) // 2
    return text if cell_len(text) <= width else cut(text, width - 1 - half) + "…" + cut(text[::-1], half)[::-1]


def cut(text: str, width: int) -> str:
    return set_cell_size(text, max(0, width)).rstrip()
