import pytest
from tensorboard.compat.proto.event_pb2 import Event

from tuitrain.runs.external.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    fields,
    put_bytes,
    put_double,
    put_float,
    put_int,
    put_varint,
    signed,
    varint,
)


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (0, b"\0"), (1, b"\x01"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"),
        (2**35, b"\x80" * 5 + b"\x01"), (2**64 - 1, b"\xff" * 9 + b"\x01"),
    ],
)  # fmt: skip
def test_varints(value: int, content: bytes) -> None:
    assert put_varint(value) == content
    assert varint(b"xx" + content + b"\x01", 2, 99) == (value, 2 + len(content))
    with pytest.raises(ValueError, match="without an end"):
        varint(content, 0, len(content) - 1)


def test_negative_numbers_have_64_bits() -> None:
    assert put_varint(-1) == put_varint(2**64 - 1)
    assert [signed(value) for value in (0, 2**63 - 1, 2**63, 2**64 - 1, 2**64)] == [0, 2**63 - 1, -(2**63), -1, 0]
    # A number of more than ten bytes.
    with pytest.raises(ValueError, match="without an end"):
        varint(b"\x80" * 10 + b"\x01", 0, 11)


def test_messages_are_those_of_protobuf() -> None:
    event = Event(wall_time=1.5, step=-3, file_version="brain.Event:2")
    message = put_double(1, 1.5) + put_int(2, -3) + put_bytes(3, "brain.Event:2")
    assert event.SerializeToString() == message
    data = b"xx" + message + put_float(16, 0.5)
    assert list(fields(data, 2, len(data))) == [
        (1, FIXED64, 3, 11), (2, VARINT, 2**64 - 3, 22), (3, BYTES, 24, 37), (16, FIXED32, 39, 43),
    ]  # fmt: skip
    assert data[24:37] == b"brain.Event:2"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x0b", "wire type 3"), (put_bytes(1, "ab")[:-1], "longer than its message"), (b"\x80", "without an end"),
        (put_float(1, 0.5)[:-1], "longer than its message"), (put_double(1, 0.5)[:-1], "longer than its message"),
    ],
)  # fmt: skip
def test_messages_that_make_no_sense(message: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(fields(message, 0, len(message)))
