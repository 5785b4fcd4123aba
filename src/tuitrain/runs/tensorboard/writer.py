"""Write a run as an event file for TensorBoard: scalars, and settings for its hparams plugin."""

import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from tuitrain.config.formatting import format_value
from tuitrain.runs.follower import Curve, Follower
from tuitrain.runs.tensorboard.protobuf import put_bytes, put_double, put_float, put_int
from tuitrain.runs.tensorboard.tfrecord import record

# The number of bytes written at a time.
CHUNK = 2**20
# The tags of the columns of `Curve`.
TAGS = {"loss": "loss", "accuracy": "accuracy", "lr": "learning_rate", "grad_norm": "grad_norm"}


def event_file_name(now: float) -> str:
    return f"events.out.tfevents.{int(now):010}.{platform.node() or 'localhost'}.{os.getpid()}.0"


def write(path: Path, run: Follower, settings: Mapping[str, Any]) -> None:
    """Write `run` to an event file. Raises OSError."""
    scalars = sorted(_scalars(run), key=lambda scalar: (scalar[0], scalar[1]))
    begun = scalars[0][0] if scalars else run.info.created
    ended = scalars[-1][0] if scalars else begun
    events = chain(
        [put_double(1, begun) + put_bytes(3, "brain.Event:2")],
        [_plugin(begun, "_hparams_/session_start_info", _session_start(run, settings, begun))],
        (_scalar(*scalar) for scalar in scalars),
        [_plugin(ended, "_hparams_/session_end_info", put_bytes(4, _session_end(run, ended)))],
    )
    with path.open("wb") as file:
        pending = bytearray()
        for event in events:
            pending += record(event)
            if len(pending) > CHUNK:
                file.write(pending)
                pending.clear()
        file.write(pending)


def _scalars(run: Follower) -> Iterator[tuple[float, int, str, float]]:
    """Yield time, step, tag and value; a loss that was not finite is NaN."""
    for split, curve in {"train": run.train, **run.evaluations}.items():
        for column, tag in TAGS.items():
            if column in curve.columns and any(map(math.isfinite, curve[column])):
                yield from _column(curve, f"{split}/{tag}", curve[column])
    for layer, norms in enumerate(run.layers):
        name = run.info.layers[layer] if layer < len(run.info.layers) else str(layer)
        yield from _column(run.train, f"grad_norm/{name}", norms)


def _column(curve: Curve, tag: str, values: Iterable[float]) -> Iterator[tuple[float, int, str, float]]:
    return ((when, step, tag, value) for when, step, value in zip(curve["time"], curve.step, values, strict=True))


def _scalar(when: float, step: int, tag: str, value: float) -> bytes:
    return _event(when, put_bytes(1, tag) + _float_value(value), step)


def _float_value(value: float) -> bytes:
    """Encode a 32-bit float; larger values become infinite."""
    try:
        return put_float(2, value)
    except OverflowError:
        return put_float(2, math.copysign(math.inf, value))


def _event(when: float, value: bytes, step: int = 0) -> bytes:
    return put_double(1, when) + (put_int(2, step) if step else b"") + put_bytes(5, put_bytes(1, value))


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
