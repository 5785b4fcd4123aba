"""Decode the protobuf messages of W&B that contain metrics, configuration and the end of a run."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from tuitrain.runs.external.json_text import decode
from tuitrain.runs.external.protobuf import BYTES, FIXED64, VARINT, fields, signed

# Field numbers of a record.
HISTORY, SUMMARY, CONFIG, STATS, RUN, EXIT = 2, 3, 5, 7, 17, 18
_DOUBLE = struct.Struct("<d")
_VALUE_JSON = 16


class RunMessage(NamedTuple):
    """The run as it began: its name, host, start time, 0 if unknown, and configuration."""

    name: str
    host: str
    start: float
    config: dict[str, Any]


def record(data: bytes) -> tuple[int, bytes]:
    """Return the field number and the content of a record. Raises ValueError."""
    for number, wire, start, end in fields(data, 0, len(data)):
        if wire == BYTES and number in (HISTORY, SUMMARY, CONFIG, STATS, RUN, EXIT):
            return number, data[start:end]
    return 0, b""


def items(data: bytes) -> dict[str, Any]:
    """Return the items of a history, summary or configuration message; nested keys are joined by slashes."""
    return dict(_item(data[start:end]) for number, wire, start, end in fields(data, 0, len(data))
                if (number, wire) == (1, BYTES))  # fmt: skip


def history_step(data: bytes) -> float | None:
    """Return the step of a history message, or None."""
    for number, wire, start, end in fields(data, 0, len(data)):
        if (number, wire) == (2, BYTES):
            return float(_varint_field(data[start:end], 1))
    return None


def run(data: bytes) -> RunMessage:
    found: dict[int, bytes] = {}
    for number, wire, start, end in fields(data, 0, len(data)):
        if wire == BYTES:
            found[number] = data[start:end]
    name, host = (found.get(number, b"").decode("utf-8", "replace") for number in (8, 13))
    return RunMessage(name, host, _timestamp(found.get(17, b"")), items(found.get(4, b"")))


def stats_time(data: bytes) -> float:
    """Return the time of system statistics, or 0."""
    for number, wire, start, end in fields(data, 0, len(data)):
        if (number, wire) == (2, BYTES):
            return _timestamp(data[start:end])
    return 0.0


def exit_code(data: bytes) -> int:
    return signed(_varint_field(data, 1))


def _timestamp(data: bytes) -> float:
    return _varint_field(data, 1) + _varint_field(data, 2) / 1e9


def _varint_field(data: bytes, wanted: int) -> int:
    """Return a number of a message; 0 if it is missing, as protobuf does."""
    return next((start for number, wire, start, _ in fields(data, 0, len(data))
                 if (number, wire) == (wanted, VARINT)), 0)  # fmt: skip


def _item(data: bytes) -> tuple[str, Any]:
    names: list[str] = []
    value: Any = None
    for number, wire, start, end in fields(data, 0, len(data)):
        if wire == BYTES and number in (1, 2):
            names.append(data[start:end].decode("utf-8", "replace"))
        else:
            value = next(_value(data, number, wire, start, end), value)
    return "/".join(names), value


def _value(data: bytes, number: int, wire: int, start: int, end: int) -> Iterator[Any]:
    """Yield the value in one of the fields that contain values."""
    if wire == VARINT and number == 4:
        yield bool(start)
    elif wire == VARINT and number == 5:
        yield signed(start)
    elif wire == FIXED64 and number == 6:
        yield _DOUBLE.unpack_from(data, start)[0]
    elif wire == BYTES and number == 7:
        yield data[start:end].decode("utf-8", "replace")
    elif wire == BYTES and number in (8, _VALUE_JSON):
        yield decode(data[start:end])
