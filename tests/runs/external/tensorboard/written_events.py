"""Write event files as other tools do, and read them with TensorBoard and with tuitrain."""

import struct
import time
from collections.abc import Iterable
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.util.tensor_util import make_ndarray

from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.source import Series
from tuitrain.runs.external.tensorboard.event_file import EventFile
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.external.tensorboard.tfrecord import record
from tuitrain.runs.follower import Follower

OLD = 1_700_000_000.0

Values = dict[str, list[tuple[int, float, float]]]


def simple(tag: str, value: float, step: int, wall: float = OLD) -> bytes:
    values = [Summary.Value(tag=tag, simple_value=value)]
    content: bytes = Event(wall_time=wall, step=step, summary=Summary(value=values)).SerializeToString()
    return content


def keras(tag: str, step: int, tensor: TensorProto, wall: float = OLD) -> bytes:
    """Return a value as tf.summary.scalar writes it."""
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1)
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    content: bytes = Event(wall_time=wall, step=step, summary=Summary(value=[value])).SerializeToString()
    return content


def floats(value: float) -> TensorProto:
    return TensorProto(dtype=1, float_val=[value], tensor_shape={})


def content(value: float, dtype: int = 1) -> TensorProto:
    form = {1: "<f", 2: "<d", 19: "<e"}[dtype]
    return TensorProto(dtype=dtype, tensor_content=struct.pack(form, value), tensor_shape={})


def write(folder: Path, events: Iterable[bytes], *, begun: int = int(OLD)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{begun}.gpu3.12.0"
    head = Event(wall_time=OLD, file_version="brain.Event:2").SerializeToString()
    path.write_bytes(b"".join(map(record, [head, *events])))
    return path


def theirs(folder: Path) -> Values:
    """Return the values that TensorBoard's reader returns."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    found = {tag: [(e.step, e.wall_time, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    for tag in reader.Tags()["tensors"]:
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            found[tag] = [
                (e.step, e.wall_time, float(make_ndarray(e.tensor_proto).item())) for e in reader.Tensors(tag)
            ]
    return found


def ours(folder: Path) -> Values:
    series: dict[str, Series] = {}
    for path in sorted(folder.glob("*tfevents*")):
        while EventFile(path, series, lambda *_: None).poll(time.monotonic() + 60):
            raise AssertionError
    return {tag: list(zip(one.step, one.time, one.value, strict=True)) for tag, one in series.items()}


def whole(path: Path) -> Follower:
    run = follow(ExternalFolder(TENSORBOARD, Found(path)))
    while run.poll():
        pass
    return run
