"""Names of runs where there is little room: what tells them apart stays."""

import re
from collections.abc import Sequence
from functools import lru_cache

from rich.cells import cell_len

_WORDS = re.compile(r"[^-_ /]+[-_ /]*|[-_ /]+")


@lru_cache(maxsize=256)
def shortened(names: tuple[str, ...], room: int) -> tuple[str, ...]:
    """Each in at most `room` cells: whole, else without the words that all begin or end with, else with `…` where it
    leaves the most names different."""
    for found in (names, _distinct(names)):
        if max(map(cell_len, found), default=0) <= room:
            return found
    ends = sorted(range(max(room, 1)), key=lambda end: abs(end - (room - 1) // 2))
    cuts = (tuple(_cut(name, room, end) for name in found) for end in ends)
    return max(cuts, key=lambda cut: len(set(cut)))


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without the words that all begin or end with; of each at least one word is left."""
    words = [_WORDS.findall(name) for name in names]
    most = min(map(len, words), default=0) - 1
    if len(set(names)) < 2 or most < 1:
        return names
    bare = [[word.rstrip("-_ /") for word in name] for name in words]
    start = _shared(bare, most)
    end = _shared([name[::-1] for name in bare], most - start)
    return tuple(
        "".join([*name[start : len(name) - end - 1], last[len(last) - end - 1]])
        for name, last in zip(words, bare, strict=True)
    )


def _shared(names: Sequence[Sequence[str]], most: int) -> int:
    """With how many words all begin."""
    return next((place for place in range(most) if len({name[place] for name in names}) > 1), most)


def _cut(name: str, room: int, end: int) -> str:
    """Its last `end` cells, and the first ones."""
    if cell_len(name) <= room:
        return name
    return _first(name, max(room - 1 - end, 0)) + "…" * (room > 0) + _first(name[::-1], max(end, 0))[::-1]


def _first(text: str, cells: int) -> str:
    place = 0
    while place < len(text) and (cells := cells - cell_len(text[place])) >= 0:
        place += 1
    return text[:place]
