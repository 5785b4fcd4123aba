"""Event files of other tools are read like by TensorBoard's own reader, also damaged and growing ones."""

import time
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from runs.external.tensorboard.written_events import OLD, content, floats, keras, ours, simple, theirs, whole, write
from tuitrain.errors import RunError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import entry
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.tensorboard.event_file import CHUNK
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.external.tensorboard.tfrecord import record
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.follower import Follower
from written_runs import list_runs


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
        assert [run.poll(), run.poll()] == [False, False]
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
        entry(ExternalFolder(TENSORBOARD, Found(tmp_path / "run")))


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
