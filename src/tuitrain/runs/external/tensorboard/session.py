"""Read the hyperparameters and the end of a session from the data of TensorBoard's hparams plugin."""

import struct
from typing import Any

from tuitrain.runs.external.hparams import MOST, hparam_text
from tuitrain.runs.external.protobuf import BYTES, FIXED64, VARINT, fields
from tuitrain.runs.external.source import Ended


def session(content: bytes) -> tuple[dict[str, Any], Ended | None]:
    """Return the hyperparameters in an HParamsPluginData message, and how the session ended; None if it did not. Raises
    ValueError if the message is invalid."""
    found: dict[str, Any] = {}
    ended: Ended | None = None
    for number, wire, begin, end in fields(content, 0, len(content)):
        if (number, wire) == (3, BYTES):
            for field, kind, start, stop in fields(content, begin, end):
                if (field, kind) == (1, BYTES) and len(found) < MOST:
                    name, value = _entry(content, start, stop)
                    found[name] = value
        elif (number, wire) == (4, BYTES):
            end_info = {field: start for field, _, start, _ in fields(content, begin, end)}
            # torch and Lightning write a success without an end time at the start of the session.
            ended = ("failed" if end_info.get(1) == 2 else "finished") if 2 in end_info else None
    return found, ended


def _entry(data: bytes, begin: int, end: int) -> tuple[str, Any]:
    """Decode a name and a google.protobuf.Value."""
    name, value = "", None
    for number, wire, start, stop in fields(data, begin, end):
        if (number, wire) == (1, BYTES):
            name = hparam_text(data[start:stop])
        elif (number, wire) == (2, BYTES):
            for field, kind, first, last in fields(data, start, stop):
                if (field, kind) == (2, FIXED64):
                    value = struct.unpack_from("<d", data, first)[0]
                elif (field, kind) == (3, BYTES):
                    value = hparam_text(data[first:last])
                elif (field, kind) == (4, VARINT):
                    value = bool(first)
    return name, value
