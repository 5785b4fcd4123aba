"""The rows of metrics.jsonl. A step is one update of the weights; steps and epochs count from 1."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from tuitrain.runs.records import Count

Norms = Annotated[tuple[float | None, ...], Meta(max_length=4096)]
Split = Literal["train", "validation", "test"]


class Train(Struct, frozen=True, tag="train", tag_field="kind", omit_defaults=True):
    """Means over the steps since the row before.

    `loss` is None where it was not finite; `layers` are the gradient's norms per layer at this step, in the order
    of `RunInfo.layers`; `seconds` is training time alone; `time` is seconds since 1970.
    """

    step: Count
    epoch: Count
    loss: float | None
    accuracy: float
    lr: float
    seconds: float
    time: float
    grad_norm: float | None = None
    layers: Norms = ()


class Evaluated(Struct, frozen=True, tag="evaluation", tag_field="kind", omit_defaults=True):
    """A whole pass over a split without gradients, after `step`; `best`: the best validation so far."""

    split: Split
    step: Count
    epoch: Count
    loss: float | None
    accuracy: float
    seconds: float
    time: float
    best: bool = False


class Event(Struct, frozen=True, tag="event", tag_field="kind", omit_defaults=True):
    """What happened to the run after `step`: started, paused, resumed, lr, checkpoint, stopped, …

    After `continued` the rows that follow take the place of all earlier rows beyond `step`.
    """

    name: str
    step: Count
    epoch: Count
    time: float
    detail: str = ""
    value: float | None = None


Row = Train | Evaluated | Event

encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Row)
decode, decode_lines = _decoder.decode, _decoder.decode_lines
