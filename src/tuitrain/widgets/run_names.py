"""Shorten run names so that they stay distinguishable."""

import re
from collections.abc import Sequence
from functools import lru_cache

from rich.cells import cell_len

_WORDS = re.compile(r"[^-_ /]+[-_ /]*|[-_ /]+")


@lru_cache(maxsize=256)
def shorten_names(names: tuple[str, ...], room: int) -> tuple[str, ...]:
    """Return each name in at most `room` cells. Drop words that all names share at the start or end, then cut with `…`
    where most names stay different."""
    for candidates in (names, _without_shared_words(names)):
        if max(map(cell_len, candidates), default=0) <= room:
            return candidates
    ends = sorted(range(max(room, 1)), key=lambda end: abs(end - (room - 1) // 2))
    cuts = (tuple(_cut(name, room, end) for name in candidates) for end in ends)
    return max(cuts, key=lambda cut: len(set(cut)))


def _without_shared_words(names: tuple[str, ...]) -> tuple[str, ...]:
    """Remove words shared at the start or end of all names, but keep at least one word of each."""
    words = [_WORDS.findall(name) for name in names]
    most = min(map(len, words), default=0) - 1
    if len(set(names)) < 2 or most < 1:
        return names
    bare = [[word.rstrip("-_ /") for word in name] for name in words]
    start = _shared_prefix(bare, most)
    end = _shared_prefix([name[::-1] for name in bare], most - start)
    return tuple(
        "".join([*name[start : len(name) - end - 1], last[len(last) - end - 1]])
        for name, last in zip(words, bare, strict=True)
    )


def _shared_prefix(names: Sequence[Sequence[str]], most: int) -> int:
    """Return how many leading words all names share."""
    return next((index for index in range(most) if len({name[index] for name in names}) > 1), most)


def _cut(name: str, room: int, end: int) -> str:
    """Keep the last `end` cells and as many of the first ones as fit."""
    if cell_len(name) <= room:
        return name
    start, last = _leading_cells(name, max(room - 1 - end, 0)), _leading_cells(name[::-1], max(end, 0))[::-1]
    return start + "…" * (room > 0) + last


def _leading_cells(text: str, cells: int) -> str:
    length = 0
    while length < len(text) and (cells := cells - cell_len(text[length])) >= 0:
        length += 1
    return text[:length]
