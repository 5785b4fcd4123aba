"""Event files of other tools are read like by TensorBoard's own reader, also damaged and growing ones."""

import struct
import time
from collections.abc import Callable, Iterable
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from tuitrain.errors import RunError
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import entry, find, list_runs
from tuitrain.runs.external import ExternalRunInfo
from tuitrain.runs.follower import Follower
from tuitrain.runs.tensorboard.event_file import CHUNK, EventFile, Series
from tuitrain.runs.tensorboard.folder import EventFolder
from tuitrain.runs.tensorboard.tags import place, setting
from tuitrain.runs.tensorboard.tfrecord import record

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
    run = follow(EventFolder(path))
    while run.poll():
        pass
    return run


def test_event_files_of_torch(tmp_path: Path) -> None:
    import torch
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path / "exp"))
    for step in range(300):
        writer.add_scalar("Loss/train", 1 / (step + 1), step)
        if step % 50 == 0:
            writer.add_scalar("Accuracy/test", step / 300, step, new_style=True)
            writer.add_scalars("Loss", {"train": 0.5, "val": 0.25}, step)
            writer.add_histogram("weights", torch.arange(3.0), step)
    writer.add_text("words", "\x1b[31m")
    writer.add_hparams({"lr": 0.1, "bs": 32, "deep": True, "opt": "SGD"}, {"hparam/accuracy": 0.5})
    writer.close()
    assert ours(tmp_path / "exp") == theirs(tmp_path / "exp")
    run = whole(tmp_path / "exp")
    assert len(run.train) == 300
    assert run.train["loss"][9] == pytest.approx(0.1)
    assert list(run.evaluations["validation"].step) == list(range(0, 300, 50))
    assert run.evaluations["test"].only("accuracy")["accuracy"][-1] == pytest.approx(250 / 300)
    assert run.settings == {"optimizer.lr": 0.1, "data.batch_size": 32, "deep": True, "optimizer.name": "sgd"}
    assert run.info.host
    # All that torch wrote there is one run.
    assert [one.folder.id for one in list_runs(tmp_path)] == ["exp"]


def test_event_files_of_lightning(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_0"
    events = []
    for step in range(0, 100, 5):
        events += [simple("epoch", step // 25, step), simple("train_loss_step", 1 / (step + 1), step)]
        events += [simple("lr-Adam", 0.001, step)]
        if step % 25 == 20:
            events += [simple("train_loss_epoch", 9.0, step), simple("val_loss", 2 / step, step)]
            events += [simple("val_acc", step / 100, step), simple("hp_metric", -1, 0)]
    write(folder, events)
    (folder / "hparams.yaml").write_text(
        "lr: 0.001\nbatch_size: 64\nmodel: !!python/object:evil.Net\n  hidden: 12\nnet:\n  width: 3\nflag: yes\n"
        'name: "\\e[31mx"\nnothing: null\n'
    )
    (folder / "checkpoints").mkdir()
    assert ours(folder) == theirs(folder)
    (one,) = list_runs(tmp_path)
    assert one.folder.id == "lightning_logs/version_0"
    assert (one.status, one.state.epoch, one.state.steps_per_epoch) == ("finished", 4, 24)
    assert one.state.validation is not None
    assert one.state.validation.loss == pytest.approx(2 / 95)
    assert one.state.best is not None
    assert (one.state.best.epoch, one.state.best.step) == (4, 95)
    assert one.settings == {"optimizer.lr": 0.001, "data.batch_size": 64, "model/hidden": 12, "net/width": 3,
                            "flag": True, "name": "\N{REPLACEMENT CHARACTER}[31mx"}  # fmt: skip
    assert one.setting("optimizer.name") is None
    run = whole(folder)
    # The finer of two tags is the curve of training; where only some rows have a value, the others are left out.
    assert list(run.train["loss"]) == pytest.approx([1 / (step + 1) for step in range(0, 100, 5)])
    assert list(run.train["lr"]) == pytest.approx([0.001] * 20)
    assert one.info.name == "version_0"
    assert find(tmp_path, "version_0").id == find(tmp_path, "lightning_logs/version_0").id == one.folder.id
    assert find(tmp_path, str(folder)).read_only


def test_event_files_of_keras(tmp_path: Path) -> None:
    for part in ("train", "validation"):
        events = []
        for epoch in range(6):
            events += [keras("epoch_loss", epoch, floats(1 / (epoch + 1)), OLD + epoch)]
            events += [keras("epoch_accuracy", epoch, content(epoch / 6), OLD + epoch)]
            events += [keras("epoch_learning_rate", epoch, content(0.01, 2))]
            events += [
                keras("epoch_half", epoch, content(0.5, 19)),
                keras("evaluation_loss_vs_iterations", 9, floats(3)),
            ]
        write(tmp_path / "fit" / part, events)
    for part in ("train", "validation"):
        assert ours(tmp_path / "fit" / part) == theirs(tmp_path / "fit" / part)
    (one,) = list_runs(tmp_path)
    assert (one.folder.id, one.state.epoch) == ("fit", 6)
    run = whole(tmp_path / "fit")
    assert list(run.evaluations["validation"]["loss"]) == pytest.approx([1 / (epoch + 1) for epoch in range(6)])
    assert list(run.train["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert list(run.train["seconds"]) == [0, 1, 2, 3, 4, 5]
    assert list(run.train["lr"]) == [pytest.approx(0.01)] * 6


def test_event_files_of_hugging_face(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "runs" / "Nov24_10-00-00_gpu3"
    events = []
    for step in range(10, 101, 10):
        events += [simple("train/loss", 1 / step, step), simple("train/learning_rate", 1e-4, step)]
        events += [simple("train/grad_norm", 2.0, step), simple("train/epoch", step / 40, step)]
    events += [simple("eval/loss", 0.5, 40), simple("eval/accuracy", 0.75, 40), simple("eval/loss", 0.75, 80)]
    events += [simple("train/train_loss", 7.0, 100), simple("train/total_flos", 1e12, 100)]
    write(folder, events)
    assert ours(folder) == theirs(folder)
    (one,) = list_runs(tmp_path)
    assert one.folder.id == "out/runs/Nov24_10-00-00_gpu3"
    assert one.state.train is not None
    assert one.state.train.loss == pytest.approx(0.01)
    assert one.state.train.measured is None
    assert one.state.best is not None
    assert (one.state.best.step, one.state.best.validation.accuracy) == (40, 0.75)
    assert (one.state.epoch, one.state.steps_per_epoch) == (2, 40)
    assert list(whole(folder).evaluations["validation"].only("accuracy").step) == [40]


@pytest.mark.parametrize(
    ("tag", "part", "expected"),
    [
        ("loss", "", ("train", "loss")),
        ("Loss/train", "", ("train", "loss")),
        ("training_loss", "", ("train", "loss")),
        ("epoch_loss", "validation", ("validation", "loss")),
        ("val_loss_epoch", "", ("validation", "loss")),
        ("eval/accuracy", "", ("validation", "accuracy")),
        ("Accuracy/test", "", ("test", "accuracy")),
        ("learning_rate", "", ("train", "lr")),
        ("lr-Adam/pg1", "", ("train", "lr")),
        ("train/epoch", "", ("train", "epoch")),
        ("hp_metric", "", None),
        ("val_loss_train", "", None),
        ("evaluation_loss_vs_iterations", "validation", None),
        ("", "", None),
    ],
)
def test_the_table_of_tags(tag: str, part: str, expected: tuple[str, str] | None) -> None:
    found = place(tag, part)
    assert (None if found is None else found[:2]) == expected


def test_the_table_of_hyperparameters() -> None:
    assert setting("learning_rate") == "optimizer.lr"
    assert setting("model/dropout") == "model.dropout"
    assert setting("optimizer.lr") == "optimizer.lr"
    assert setting("whatever") is None


def test_a_tail_that_is_torn_is_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path / "run", [])
    size = path.stat().st_size
    event = record(simple("loss", 0.5, 3))
    big = record(Event(wall_time=OLD, graph_def=b"x" * (2 * CHUNK)).SerializeToString())
    after = record(simple("loss", 0.25, 4))
    run = whole(tmp_path / "run")
    with path.open("ab") as file:
        for count, byte in enumerate(event, 1):
            file.write(bytes([byte]))
            file.flush()
            while run.poll():
                pass
            assert len(run.train) == (count == len(event))
        file.write(big[:-1])
        file.flush()
        assert not run.poll()
        file.write(big[-1:] + after)
    assert path.stat().st_size == size + len(event) + len(big) + len(after)
    assert run.poll()
    assert list(run.train.step) == [3, 4]
    assert not run.state.reason


def test_a_run_that_grows_keeps_up(tmp_path: Path) -> None:
    """Also with a new file, and after a writer restarted at an earlier step."""
    now = time.time()
    path = write(tmp_path / "run", [simple("loss", 1.0, step, now) for step in range(5)])
    run = whole(tmp_path / "run")
    assert (run.status, len(run.train)) == ("running", 5)
    with path.open("ab") as file:
        file.write(b"".join(record(simple("loss", 2.0, step, now)) for step in range(5, 8)))
    assert run.poll()
    assert list(run.train.step) == list(range(8))
    start = Event(wall_time=now, step=6, session_log=SessionLog(status=SessionLog.START)).SerializeToString()
    with path.open("ab") as file:
        file.write(record(start) + record(simple("loss", 3.0, 6, now)))
    assert run.poll()
    assert list(run.train["loss"]) == [1.0] * 5 + [2.0, 3.0]
    assert ours(tmp_path / "run") == theirs(tmp_path / "run")
    write(tmp_path / "run", [simple("loss", 4.0, 7, now), simple("val_loss", 5.0, 7, now)], begun=int(now))
    while run.poll():
        pass
    assert list(run.train.step) == list(range(8))
    assert list(run.evaluations["validation"].step) == [7]
    # An end without a time is what torch and Lightning write at the beginning.
    for end, status in (({"status": 1}, "running"), ({"status": 2, "end_time_secs": now}, "failed")):
        content = HParamsPluginData(session_end_info=end).SerializeToString()
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="hparams", content=content))
        value = Summary.Value(tag="_hparams_/session_end_info", metadata=metadata)
        with path.open("ab") as file:
            file.write(record(Event(wall_time=now, summary=Summary(value=[value])).SerializeToString()))
            file.write(record(simple("loss", 4.0, 8 if status == "running" else 9, now)))
        while run.poll():
            pass
        assert run.status == status


def test_a_recreated_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "run", [simple("loss", 1.0, step) for step in range(5)])
    run = whole(tmp_path / "run")
    path.unlink()
    write(tmp_path / "run", [simple("loss", 2.0, 0)])
    assert run.poll()
    assert list(run.train["loss"]) == [2.0]


def damaged(change: Callable[[bytearray, int], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        # The third of the records of losses.
        change(content, content.index(record(simple("loss", 1.0, 3))))
        path.write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "steps"),
    [
        (damaged(lambda content, at: content.__setitem__(at + 20, content[at + 20] ^ 1)), [1, 2, 4]),
        (damaged(lambda content, at: content.__setitem__(at + 9, content[at + 9] ^ 1)), [1, 2]),
        (damaged(lambda content, at: content.__setitem__(slice(at, None), b"\x1b[31m garbage" * 9)), [1, 2]),
        (damaged(lambda content, at: content.__setitem__(slice(at, None), b"\xff" * 40)), [1, 2]),
    ],
)
def test_damage_is_named_and_readable_values_are_kept(
    tmp_path: Path, damage: Callable[[Path], None], steps: list[int]
) -> None:
    path = write(tmp_path / "run", [simple("loss", 1.0, step) for step in range(1, 5)])
    damage(path)
    write(tmp_path / "other", [simple("loss", 1.0, 1)])
    run = whole(tmp_path / "run")
    assert list(run.train.step) == steps
    assert path.name in run.state.reason
    assert "byte" in run.state.reason
    assert "\x1b" not in run.state.reason
    assert {one.folder.id: one.status for one in list_runs(tmp_path)} == {"run": "finished", "other": "finished"}


def test_cut_anywhere_nothing_fails(tmp_path: Path) -> None:
    path = write(tmp_path / "run", [simple("loss", 1.0, 1), keras("val_loss", 2, floats(0.5))])
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        run = whole(tmp_path / "run")
        assert not run.state.reason
        assert len(run.train) + len(run.evaluations["validation"]) <= 1


def test_records_that_make_no_sense(tmp_path: Path) -> None:
    """Records with correct checksums and arbitrary content."""
    import random

    chance = random.Random(0)
    good = [simple("loss", 1.0, 1), keras("val_loss", 2, content(0.5))]
    for _ in range(300):
        bad = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        write(tmp_path / "run", [bytes(bad), bytes(bad[: chance.randrange(len(bad))]), simple("loss", 1.0, 9)])
        run = whole(tmp_path / "run")
        assert 9 in run.train.step
        entry(EventFolder(tmp_path / "run"))


def test_a_file_that_is_none_is_a_damaged_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.out.tfevents.1.x").write_bytes(b"no such thing" * 10)
    (one,) = list_runs(tmp_path)
    assert one.status == "damaged"
    assert "invalid record header" in one.problem
    with pytest.raises(RunError):
        one.folder.state()


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    write(tmp_path / "[red]x\x1b[2J", [simple("\x1b]0;evil\x07loss" + "x" * 10_000, 1.0, 1), simple("loss", 1.0, 1)])
    (one,) = list_runs(tmp_path)
    assert isinstance(one.info, ExternalRunInfo)
    assert "\x1b" not in one.folder.id + one.info.name + "".join(one.info.curves)
    assert max(map(len, one.info.curves)) <= 420


def test_a_value_that_is_not_finite(tmp_path: Path) -> None:
    write(tmp_path / "run", [simple("loss", float("nan"), 1), simple("loss", float("inf"), 2), simple("loss", 1.0, -3)])
    run = whole(tmp_path / "run")
    assert list(run.train.step) == [-3, 1, 2]
    assert isnan(run.train["loss"][1])
    assert run.state.train is not None
    assert run.state.train.loss == 1.0


def test_own_runs_and_others_in_one_folder(tmp_path: Path, train: Callable[..., Follower]) -> None:
    own = train("training.epochs=1").folder
    write(tmp_path / "runs" / "theirs", [simple("loss", 1.0, 1)])
    # A name like one of tuitrain's own makes no run of it.
    write(tmp_path / "runs" / "20261124-101112-x-0a1b", [simple("loss", 1.0, 1)])
    index = RunIndex(tmp_path / "runs")
    assert [one.folder.id for one in index.refresh()] == [own.id, "20261124-101112-x-0a1b", "theirs"]
    later = tmp_path / "runs" / "deep" / "version_1"
    write(later, [simple("loss", 1.0, 1)], begun=int(OLD) + 5)
    assert [one.folder.id for one in index.refresh()][1] == "deep/version_1"
    with (next(later.iterdir())).open("ab") as file:
        file.write(record(simple("loss", 0.5, 7)))
    assert index.refresh()[1].state.step == 7
    assert [one.status for one in index.refresh(0.0)] == ["finished"] * 4


def test_other_tools_runs_are_left_alone(tmp_path: Path) -> None:
    from tuitrain.hosts.background import resume_in_background
    from tuitrain.runs.catalog import edit
    from tuitrain.runs.control import send

    write(tmp_path / "theirs", [simple("loss", 1.0, 1)])
    (one,) = list_runs(tmp_path)
    changes: tuple[Callable[[], object], ...] = (
        lambda: edit.rename(one.folder, "x"),
        lambda: edit.set_tags(one.folder, ["x"]),
        lambda: edit.set_notes(one.folder, "x"),
        lambda: edit.trash(one.folder, tmp_path),
        lambda: send(one.folder, "stop"),
        lambda: resume_in_background(one.folder),
    )
    for change in changes:
        with pytest.raises(RunError, match="another tool"):
            change()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["events.out.tfevents.1700000000.gpu3.12.0"]
