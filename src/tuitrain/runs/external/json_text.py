"""Decode JSON of other tools, and name the numbers in it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

_DEEPEST = 4


def decode(content: bytes) -> Any:
    """Decode JSON in which numbers may be NaN and Infinity, as Python writes them; None if it is damaged."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def flat(value: Any) -> Iterator[tuple[str, float | str]]:
    """Yield the numbers and texts of a decoded JSON value, nested names joined by slashes."""
    return ((name, leaf) for name, leaf in leaves(value) if not isinstance(leaf, bool))


def leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, float | str | bool]]:
    """Yield the numbers, texts and booleans of a decoded JSON value, nested names joined by slashes."""
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from leaves(inner, f"{name}/{key}" if name else str(key), depth + 1)
    elif isinstance(value, (str, bool)):
        yield name, value
    elif isinstance(value, (int, float)):
        try:
            yield name, float(value)
        except OverflowError:
            return
