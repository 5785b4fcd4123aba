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


def flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, float | str]]:
    """Yield the numbers and texts of a decoded JSON value, nested names joined by slashes."""
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from flat(inner, f"{name}/{key}" if name else str(key), depth + 1)
    elif isinstance(value, str):
        yield name, value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            yield name, float(value)
        except OverflowError:
            return
