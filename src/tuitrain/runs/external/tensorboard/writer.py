"""Write a run as an event file for TensorBoard: scalars, and settings for its hparams plugin."""

import math
import os
import platform
import struct
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from tuitrain.config.formatting import format_value
from tuitrain.runs.external.protobuf import put_bytes, put_double, put_float, put_int
from tuitrain.runs.external.tensorboard.tfrecord import record
from tuitrain.runs.follower import Follower
from tuitrain.runs.row_stream import COLUMNS, SPLITS, RowStream, StreamedRow

# The number of bytes that are written at a time.
CHUNK = 2**20
# The tags of the columns of a row.
TAGS = {"loss": "loss", "accuracy": "accuracy", "lr": "learning_rate", "grad_norm": "grad_norm"}
_TIME = COLUMNS.index("time")
_FLOAT = struct.Struct("<f")


def event_file_name(now: float) -> str:
    return f"events.out.tfevents.{int(now):010}.{platform.node() or 'localhost'}.{os.getpid()}.0"


def write(path: Path, run: Follower, stream: RowStream, settings: Mapping[str, Any]) -> None:
    """Write the rows of `run` to an event file, by time. Raises OSError."""
    rows = merge(*(stream.rows(split) for split in SPLITS), key=_time_and_step)
    first = next(rows, None)
    begun = ended = run.info.created if first is None else _time_and_step(first)[0]
    events = _RowEvents(run, stream)
    with path.open("wb", buffering=CHUNK) as file:
        file.write(record(put_double(1, begun) + put_bytes(3, "brain.Event:2")))
        start = _session_start(run, settings, begun)
        file.write(record(_plugin(begun, "_hparams_/session_start_info", start)))
        for row in chain([] if first is None else [first], rows):
            file.writelines(map(record, events.of(row)))
            ended = _time_and_step(row)[0]
        end = put_bytes(4, _session_end(run, ended))
        file.write(record(_plugin(ended, "_hparams_/session_end_info", end)))


def _time_and_step(row: StreamedRow) -> tuple[float, int]:
    return row.values[_TIME] or 0.0, row.step


class _RowEvents:
    """Encodes the values of rows as events. The bytes that all events of a tag share are encoded once."""

    def __init__(self, run: Follower, stream: RowStream) -> None:
        self._columns = {
            split: [(COLUMNS.index(name), _prefix(f"{split}/{tag}")) for name, tag in TAGS.items() if name in known]
            for split in SPLITS
            for known in [stream.known(split)]
        }
        names = [
            run.info.layers[layer] if layer < len(run.info.layers) else str(layer) for layer in range(stream.layers)
        ]
        self._layers = [_prefix(f"grad_norm/{name}") for name in names]

    def of(self, row: StreamedRow) -> Iterator[bytes]:
        """Yield the events of a row; a loss that was not finite is NaN."""
        when, step = _time_and_step(row)
        head = put_double(1, when) + (put_int(2, step) if step else b"")
        for index, prefix in self._columns[row.split]:
            yield head + prefix + _float(row.values[index])
        # A row of another tool's run has no layers; an unknown norm is NaN.
        norms = chain(row.layers, repeat(None)) if row.split == "train" else ()
        for prefix, norm in zip(self._layers, norms, strict=False):
            yield head + prefix + _float(norm)


def _prefix(tag: str) -> bytes:
    """Encode the summary of a tag up to its value, the four bytes of `_float`."""
    return put_bytes(5, put_bytes(1, put_bytes(1, tag) + put_float(2, 0.0)))[:-4]


def _float(value: float | None) -> bytes:
    """Encode a 32-bit float; larger values become infinite, and None is NaN."""
    if value is None:
        value = math.nan
    try:
        return _FLOAT.pack(value)
    except OverflowError:
        return _FLOAT.pack(math.copysign(math.inf, value))


def _event(when: float, value: bytes) -> bytes:
    return put_double(1, when) + put_bytes(5, put_bytes(1, value))


def _plugin(when: float, tag: str, content: bytes) -> bytes:
    """Encode a summary without a value for the hparams plugin; `content` is a field of HParamsPluginData."""
    data = put_bytes(1, "hparams") + put_bytes(2, content)
    # TensorBoard's own writer adds an empty tensor, which readers may expect.
    tensor = put_int(1, 1) + put_bytes(2, put_bytes(2, b""))
    return _event(when, put_bytes(1, tag) + put_bytes(8, tensor) + put_bytes(9, put_bytes(1, data)))


def _session_start(run: Follower, settings: Mapping[str, Any], begun: float) -> bytes:
    """Encode hparams (a map from names to google.protobuf.Value), group name and start time."""
    info = b"".join(put_bytes(1, put_bytes(1, key) + put_bytes(2, _value(value))) for key, value in settings.items())
    return put_bytes(3, info + put_bytes(4, run.info.name) + put_double(5, begun))


def _session_end(run: Follower, ended: float) -> bytes:
    """Encode the status (success, failure or running) and the end time."""
    status = {"finished": 1, "failed": 2, "running": 3}.get(run.status, 0)
    return (put_int(1, status) if status else b"") + put_double(2, ended)


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return put_int(4, value)
    if isinstance(value, (int, float)):
        return put_double(2, float(value))
    return put_bytes(3, format_value(value))
