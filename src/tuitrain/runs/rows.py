"""The rows of metrics.jsonl. Steps (weight updates) and epochs count from 1."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from tuitrain.runs.files import decode_or_none
from tuitrain.runs.records import Count

# A number for each layer; None where it is unknown.
PerLayer = Annotated[tuple[float | None, ...], Meta(max_length=4096)]
Split = Literal["train", "validation", "test"]


class Train(Struct, frozen=True, tag="train", tag_field="kind", omit_defaults=True):
    """Means over the steps since the previous row.

    `loss` is None if it was not finite. `layers` contains the gradient norm of each layer at this step, in the order of
    `RunInfo.layers`. `seconds` is the time spent in training steps; `time` is in seconds since 1970.
    """

    step: Count
    epoch: Count
    loss: float | None
    accuracy: float
    lr: float
    seconds: float
    time: float
    grad_norm: float | None = None
    layers: PerLayer = ()


class LayerStatistics(Struct, frozen=True, tag="layers", tag_field="kind", omit_defaults=True):
    """What each layer does at `step`, in the order of `RunInfo.layers`.

    `update_ratio` is the L2 norm of the change of its weights in this step divided by the norm of the weights. The
    others describe what the layer passes on, after its activation, for images of this step's batch: `mean`, `std`,
    and `dead`, the share of units whose ReLU is zero for all images; None for layers without a ReLU.
    """

    step: Count
    epoch: Count
    seconds: float
    time: float
    update_ratio: PerLayer = ()
    mean: PerLayer = ()
    std: PerLayer = ()
    dead: PerLayer = ()


class Resources(Struct, frozen=True, tag="resources", tag_field="kind", omit_defaults=True):
    """What the run uses at `step`, every few seconds.

    `wait` is the share of the training time since the previous such row in which the loop waited for images, `memory`
    that of `State`. The GPU's own figures are None without an NVIDIA driver that knows them: `gpu_use` is the share of
    the last second in which it ran a kernel, and `gpu_memory` the share of its memory that all processes use.
    """

    step: Count
    epoch: Count
    seconds: float
    time: float
    wait: float | None = None
    memory: Count | None = None
    gpu_use: float | None = None
    gpu_memory: float | None = None


class Evaluated(Struct, frozen=True, tag="evaluation", tag_field="kind", omit_defaults=True):
    """An evaluation of a split after `step`; `best` marks the best validation result so far by `training.best`."""

    split: Split
    step: Count
    epoch: Count
    loss: float | None
    accuracy: float
    seconds: float
    time: float
    best: bool = False


class Event(Struct, frozen=True, tag="event", tag_field="kind", omit_defaults=True):
    """An event after `step`: started, paused, resumed, lr, checkpoint, stopped, … The rows after a `continued` event
    replace all earlier rows after its `step`."""

    name: str
    step: Count
    epoch: Count
    time: float
    detail: str = ""
    value: float | None = None


class Values(Struct, frozen=True, tag="values", tag_field="kind"):
    """What a script logged after `step`, by its own names; see `number` for the strings."""

    step: Count
    time: float
    values: dict[str, float | str]


# JSON has no other spelling for these.
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def spelled(value: float) -> float | str:
    """Return a number as `Values` contain it."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def number(value: float | str) -> float:
    """Return the number that an entry of `Values` means."""
    return _NOT_FINITE.get(value, math.nan) if isinstance(value, str) else value


Row = Train | LayerStatistics | Resources | Evaluated | Event | Values

encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Row)
decode = _decoder.decode


def decode_valid(lines: Sequence[bytes]) -> Sequence[Row]:
    """Decode all lines at once, or line by line without the damaged ones if there are any."""
    rows: Sequence[Row] = decode_or_none(_decoder.decode_lines, b"\n".join(lines)) or []
    if len(rows) != len(lines):
        decoded = (decode_or_none(decode, line) for line in lines)
        rows = [row for row in decoded if row is not None]
    return rows
