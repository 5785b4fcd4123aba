"""Shorten run names so that they stay distinguishable."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.cells import cell_len

_WORDS = re.compile(r"[^-_ /]+[-_ /]*|[-_ /]+")
_SEPARATORS = "-_ /"
_LETTERS = re.compile(r"[A-Za-z]+")
_NUMBERS = re.compile(r"\d+(?:\.\d+)?|\.\d+")
# Lengths to which the words of a name may be abbreviated, the longest first.
ABBREVIATIONS = (4, 3, 2, 1)


@lru_cache(maxsize=256)
def shorten_names(names: tuple[str, ...], room: int) -> tuple[str, ...]:
    """Return each name in at most `room` cells. Drop words that all names share, then cut with `…` where most names
    stay different. Abbreviate words if that keeps numbers that the cut would remove."""
    bare = _without_shared_words(names)
    inner = _without_shared_inner_words(bare)
    for candidates in (names, bare, inner):
        if _fit(candidates, room):
            return candidates
    ends = sorted(range(max(room, 1)), key=lambda end: abs(end - (room - 1) // 2))
    cuts = (tuple(_cut(name, room, end) for name in bare) for end in ends)
    best = max(cuts, key=lambda cut: len(set(cut)))
    if keep_numbers(names, best):
        return best
    return next((short for short in _abbreviations(inner) if _fit(short, room)), best)


def keep_numbers(names: tuple[str, ...], short: tuple[str, ...]) -> bool:
    """Return whether the short names contain all numbers in which the names differ."""
    whole = (set(_NUMBERS.findall(name)) for name in _without_shared_words(names))
    return all(numbers <= set(_NUMBERS.findall(name)) for numbers, name in zip(whole, short, strict=True))


def _abbreviations(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield ever shorter forms that tell several names apart as well as the names themselves do."""
    for letters in ABBREVIATIONS:
        short = tuple(_abbreviated(name, letters) for name in names)
        if len(set(short)) == len(set(names)) > 1:
            yield short


def _abbreviated(name: str, letters: int) -> str:
    return _LETTERS.sub(lambda word: word[0][:letters], name)


def _fit(names: Sequence[str], room: int) -> bool:
    return max(map(cell_len, names), default=0) <= room


def _without_shared_words(names: tuple[str, ...]) -> tuple[str, ...]:
    """Remove words shared at the start or end of all names, but keep at least one word of each."""
    words = [_WORDS.findall(name) for name in names]
    most = min(map(len, words), default=0) - 1
    if len(set(names)) < 2 or most < 1:
        return names
    bare = [[word.rstrip(_SEPARATORS) for word in name] for name in words]
    start = _shared_prefix(bare, most)
    end = _shared_prefix([name[::-1] for name in bare], most - start)
    return tuple(
        "".join([*name[start : len(name) - end - 1], last[len(last) - end - 1]])
        for name, last in zip(words, bare, strict=True)
    )


def _without_shared_inner_words(names: tuple[str, ...]) -> tuple[str, ...]:
    """Remove words that all names have at the same place, if the names have equally many words."""
    words = [_WORDS.findall(name) for name in names]
    if len(set(names)) < 2 or len(set(map(len, words))) > 1:
        return names
    kept = [len({word.rstrip(_SEPARATORS) for word in place}) > 1 for place in zip(*words, strict=True)]
    return tuple(
        "".join(word for word, keep in zip(name, kept, strict=True) if keep).rstrip(_SEPARATORS) for name in words
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
