"""As much of the protobuf wire format as event files need."""

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]
"""Number, wire type, and where its content begins and ends; of a varint the value stands in the place of the begin."""


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Of the message that lies in `data` from `start` to `end`. Raises ValueError where it is none."""
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
    """The number, as it is without a sign, and where it ends."""
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
    """An int64 that was written as a varint."""
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
