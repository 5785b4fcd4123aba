"""The part of the protobuf wire format that event files use."""

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]
"""Field number, wire type, start and end of the content; a varint has its value instead of the start."""


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message in `data[start:end]`. Raises ValueError if it is invalid."""
    while start < end:
        key, start = varint(data, start, end)
        number, wire = key >> 3, key & 7
        begin = start
        if wire == VARINT:
            begin, start = varint(data, start, end)
        elif wire == BYTES:
            size, begin = varint(data, start, end)
            start = begin + size
        elif wire in (FIXED32, FIXED64):
            start += 4 if wire == FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if start > end:
            raise ValueError("a field is longer than its message")
        yield number, wire, begin, start


def varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return an unsigned varint and the position after it. Raises ValueError if it is incomplete."""
    value = shift = 0
    while start < end and shift < 70:
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
        shift += 7
    raise ValueError("a number without an end")


def signed(value: int) -> int:
    """Convert the unsigned value of a varint to int64."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def put_varint(value: int) -> bytes:
    out = bytearray()
    value &= 2**64 - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_int(number: int, value: int) -> bytes:
    return put_varint(number << 3 | VARINT) + put_varint(value)


def put_float(number: int, value: float) -> bytes:
    return put_varint(number << 3 | FIXED32) + struct.pack("<f", value)


def put_double(number: int, value: float) -> bytes:
    return put_varint(number << 3 | FIXED64) + struct.pack("<d", value)


def put_bytes(number: int, content: bytes | str) -> bytes:
    content = content.encode("utf-8", "replace") if isinstance(content, str) else content
    return put_varint(number << 3 | BYTES) + put_varint(len(content)) + content
