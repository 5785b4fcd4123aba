import json

import msgspec
import pytest

from tuitrain.runs.rows import Evaluated, Event, LayerStatistics, Row, Train, decode, encode

TRAIN = Train(3, 1, 0.5, 0.9, 0.001, 1.5, 1.7e9, 0.43, (0.1, None, 0.3))


@pytest.mark.parametrize(
    "row",
    [
        TRAIN,
        Train(1, 1, None, 0.0, 0.1, 0.0, 0.0),
        Evaluated("validation", 3, 1, 0.25, 0.95, 1.5, 1.7e9, best=True),
        Evaluated("test", 3, 1, None, 0.1, 1.5, 1.7e9),
        Event("lr", 3, 1, 1.7e9, "someone@there", 0.01),
        LayerStatistics(50, 1, 1.5, 1.7e9, (0.001, None), (0.5, 0.1), (1.0, None), (0.25, None)),
    ],
)
def test_a_row_is_one_line_and_survives_a_round_trip(row: Row) -> None:
    line = encode(row)
    assert b"\n" not in line
    assert decode(line) == row


def test_a_line_end_in_a_text_does_not_end_the_row() -> None:
    event = Event("stopped", 1, 1, 0.0, "first\nsecond\r\x1b[2J")
    assert b"\n" not in encode(event)
    assert decode(encode(event)) == event


def test_numbers_that_are_not_finite_become_none() -> None:
    assert decode(encode(Train(1, 1, float("nan"), 0.5, 0.1, 0.0, 0.0))) == Train(1, 1, None, 0.5, 0.1, 0.0, 0.0)


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(encode(TRAIN)) | values).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b"[1, 2]",
        b"\x00\xff\xfe",
        b'{"kind": "other", "step": 1}',
        changed(step=-1),
        changed(step=2**53 + 1),
        changed(step=1.5),
        changed(loss="low"),
        changed(layers=[0.1] * 5000),
        *(encode(TRAIN)[:end] for end in range(len(encode(TRAIN)))),
    ],
)
def test_invalid_rows_are_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(line)


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert decode(changed(colour="blue", more={"a": [1]})) == TRAIN
