import errno
import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.runs import writer as writer_module
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import this_process
from tuitrain.runs.records import RunInfo, Score
from tuitrain.runs.rows import Event, Train, decode
from tuitrain.runs.writer import RunWriter, create, default_name, is_default_name, is_detail, next_name, user_named


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path, RunInfo(id="", name="one"), Config())


def rows(folder: RunFolder) -> list[object]:
    return [decode(line) for line in folder.metrics_file.read_bytes().splitlines()]


def test_a_new_run_is_queued_by_this_process(folder: RunFolder) -> None:
    state = folder.state()
    assert (state.status, state.process) == ("queued", this_process())
    assert abs(state.heartbeat - time.time()) < 60
    assert rows(folder) == []


def test_the_users_comments_are_kept(tmp_path: Path) -> None:
    original = "# mine\n[optimizer]\nlr = 0.5  # high\n"
    folder = create(tmp_path, RunInfo(id="", name=""), override(Config(), ["optimizer.lr=0.5"]), original)
    text = folder.config_file.read_text()
    assert text.startswith("# mine\n")
    assert "lr = 0.5  # high" in text
    assert folder.config().optimizer.lr == 0.5


def test_a_run_that_cannot_be_created_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"Cannot create a run in .*file: .* Choose another folder"):
        create(tmp_path / "file", RunInfo(id="", name="one"), Config())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_default_name_says_data_model_and_optimizer_and_is_the_only_one_in_its_folder(tmp_path: Path) -> None:
    config = override(Config(), ["data.dataset=mnist", "optimizer.name=sgd"])
    names = []
    for other in ("digits-mlp-adam", "mnist-mlp-sgd-x", "mnist-mlp"):
        create(tmp_path, RunInfo(id="", name=other), config)
    for _ in range(4):
        folder = create(tmp_path, RunInfo(id="", name=default_name(config, tmp_path)), config)
        names.append(folder.name())
    assert names == ["mnist-mlp-sgd", "mnist-mlp-sgd-2", "mnist-mlp-sgd-3", "mnist-mlp-sgd-4"]
    assert all(is_default_name(name, config) for name in names)
    assert not is_default_name("mnist-mlp-sgd-x", config)
    assert not is_default_name("mnist-mlp-sgd-2", Config())
    shutil.rmtree(next(tmp_path.glob("*-mnist-mlp-sgd-2-*")))
    assert default_name(config, tmp_path) == "mnist-mlp-sgd-5"


def test_a_default_name_too_long_for_an_id_is_counted(tmp_path: Path) -> None:
    config = override(
        Config(), ["data.dataset=fashion-mnist", "model.name=mobilenet_v3_large", "optimizer.name=rmsprop"]
    )
    names = [create(tmp_path, RunInfo(id="", name=default_name(config, tmp_path)), config).name() for _ in range(3)]
    assert [name.removeprefix("fashion-mnist-mobilenet_v3_large-rmsprop") for name in names] == ["", "-2", "-3"]


def test_every_row_is_readable_at_once(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.state.step, writer.state.epoch = 2, 1
    written = [Train(step, 1, 0.5, 0.5, 0.1, 0.0, 0.0) for step in (1, 2)]
    for number, row in enumerate(written, 1):
        writer.row(row)
        assert rows(folder) == written[:number]
    writer.event("paused", "by me", 3.0)
    last = rows(folder)[-1]
    assert isinstance(last, Event)
    assert (last.name, last.step, last.epoch, last.detail, last.value) == ("paused", 2, 1, "by me", 3.0)
    writer.close()
    writer.close()


def test_rows_after_a_torn_one_stand_on_lines_of_their_own(folder: RunFolder) -> None:
    folder.metrics_file.write_bytes(b'{"kind":"train","st')
    writer = RunWriter(folder)
    writer.event("continued")
    writer.close()
    torn, whole = folder.metrics_file.read_bytes().splitlines()
    assert torn == b'{"kind":"train","st'
    assert isinstance(decode(whole), Event)


def test_the_state_is_on_disk_at_once_where_the_status_changes(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.update(status="running", epoch=1)
    assert (folder.state().status, folder.state().epoch) == ("running", 1)
    before = folder.state_file.stat().st_ino
    writer.update(epoch=2)
    assert folder.state_file.stat().st_ino == before, "twice within the interval"
    writer.update(epoch=3, train=Score(None, 0.5), now=True)
    assert (folder.state().epoch, folder.state().train) == (3, Score(None, 0.5))
    writer.update(status="finished", reason="\x1b[31mdone")
    assert (folder.state().status, folder.state().reason) == ("finished", "\x1b[31mdone")
    writer.close()


def test_the_state_is_on_disk_twice_a_second(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    writer = RunWriter(folder)
    writer.update(epoch=1, now=True)
    for epoch, written in ((2, 1), (3, 3), (4, 3), (5, 5)):
        now += 0.25
        writer.update(epoch=epoch)
        assert folder.state().epoch == written
    writer.close()


def test_each_write_of_the_state_is_a_heartbeat(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.state.heartbeat = 0.0
    writer.update(now=True)
    assert folder.state().heartbeat > 1.7e9
    assert folder.state().process == this_process()
    writer.close()


def test_the_log_is_appended_to_whatever_is_in_it(folder: RunFolder) -> None:
    folder.log_file.write_bytes(b"printed \xff\n")
    writer = RunWriter(folder)
    writer.log("first")
    writer.log("lone \ud800 surrogate")
    writer.close()
    lines = folder.log_file.read_bytes().splitlines()
    assert lines[0] == b"printed \xff"
    assert lines[1].endswith(b" first")
    assert len(lines) == 3


def test_info_survives_the_way_to_the_disk(tmp_path: Path) -> None:
    info = RunInfo(id="", name="n", tags=["a"], versions={"torch": "2"}, shape=(1, 8, 8), classes=["0", "1"])
    folder = create(tmp_path, info, Config())
    assert msgspec.to_builtins(folder.info()) == msgspec.to_builtins(info)


def test_another_run_of_the_same_name_gets_the_next_number(tmp_path: Path) -> None:
    name = "my net"
    for expected in ("my net-2", "my net-3", "my net-4"):
        create(tmp_path, RunInfo(id="", name=name), Config())
        name = next_name(name, tmp_path)
        assert name == expected
    create(tmp_path, RunInfo(id="", name="cifar-10"), Config())
    assert next_name("cifar-10", tmp_path) == "cifar-10-2"
    create(tmp_path, RunInfo(id="", name="cifar"), Config())
    assert next_name("cifar-10", tmp_path) == "cifar-11"


@pytest.mark.parametrize(
    ("name", "id", "parent", "by_user"),
    [
        ("mine", "20260101-000000-mine-1234", None, True),
        ("mine", "20260101-000000-mine-1234", "the-sweep", False),
        ("mine", "20260101-000000-lr-0.1-1234", "the-sweep", True),
        ("digits-mlp-adam-3", "20260101-000000-digits-mlp-adam-3-1234", None, False),
        ("", "20260101-000000-1234", None, False),
    ],
)
def test_names_by_users(name: str, id: str, parent: str | None, by_user: bool) -> None:
    assert user_named(RunInfo(id=id, name=name, parent=parent), Config()) == by_user


@pytest.mark.parametrize("jump", [-1e8, 1e8])
def test_setting_the_clock_changes_no_time_of_a_run(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    writer, before, real = RunWriter(folder), time.time(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    writer.event("started")
    writer.end(status="finished", ended=writer.now())
    writer.close()
    monkeypatch.undo()
    (started,), ended = rows(folder), folder.state().ended
    assert isinstance(started, Event)
    assert ended is not None
    assert before - 1 < started.time <= ended < real() + 1


def test_a_row_that_fails_in_mid_write_leaves_no_part(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, write = RunWriter(folder), os.write
    writer.event("started")

    def fail_after_half(descriptor: int, content: bytes) -> int:
        write(descriptor, content[: len(content) // 2])
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", fail_after_half)
    with pytest.raises(OSError, match="Input/output error"):
        writer.event("half")
    monkeypatch.undo()
    writer.event("stopped")
    writer.close()
    assert [row.name for row in rows(folder) if isinstance(row, Event)] == ["started", "stopped"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EROFS])
def test_a_broken_disk_keeps_the_last_state(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Only on a full disk is the state written in place of the old one, which a failure would damage."""
    writer = RunWriter(folder)
    writer.update(status="running", now=True)
    before = folder.state_file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(writer_module, "overwrite", lambda path, _: path.write_bytes(b"half"))
    with pytest.raises(OSError, match=os.strerror(number)):
        writer.end(status="finished")
    assert folder.state_file.read_bytes() == before
    writer.close()


def test_only_details_of_the_log_are_details(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.log("| shown")
    writer.log("hidden", detail=True)
    writer.log("")
    writer.close()
    lines = folder.log_file.read_text().splitlines()
    assert [line[9:] for line in lines] == ["| shown", "| hidden", ""]
    assert [is_detail(line) for line in lines] == [True, True, False]
    assert not is_detail("| printed by a library")


def test_a_run_that_cannot_be_resumed_gets_its_old_state_back(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.update(status="stopped", epoch=3, now=True)
    writer.close()
    writer = RunWriter(folder)
    assert writer.resumed
    writer.update(status="running", epoch=0, not_continued="", now=True)
    writer.restore_state("the data is gone")
    writer.close()
    state = folder.state()
    assert (state.status, state.epoch, state.not_continued, state.process) == ("stopped", 3, "the data is gone", None)
    (line,) = folder.log_file.read_text().splitlines()
    assert line.endswith("not resumed: the data is gone")
    assert is_detail(line)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_the_end_of_a_run_fits_on_a_full_disk(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    writer = RunWriter(folder)
    writer.update(status="running", reason="a long reason that the next state lacks", now=True)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(writer_module, "replace", fail)
    writer.end(status="failed", reason="full")
    writer.close()
    assert (folder.state().status, folder.state().reason) == ("failed", "full")


def test_a_log_that_cannot_be_written_ends_no_run(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    folder.log_file.unlink()
    folder.log_file.mkdir()
    writer.log("lost")
    writer.event("started")
    writer.close()
    assert [row.name for row in rows(folder) if isinstance(row, Event)] == ["started"]


@pytest.mark.parametrize("name", ["state.json", "metrics.jsonl"])
def test_a_writer_that_cannot_open_its_files_gives_the_run_up(folder: RunFolder, name: str) -> None:
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    with pytest.raises(RunError):
        RunWriter(folder)
    assert not (folder.path / "owner.json").exists()


def test_run_json_keeps_what_the_user_changed_meanwhile(folder: RunFolder) -> None:
    writer, info = RunWriter(folder), folder.info()
    changed = msgspec.structs.replace(info, name="mine", notes="good", tags=["a"])
    folder.info_file.write_bytes(msgspec.json.encode(changed))
    writer.info(msgspec.structs.replace(info, device="cpu", name="old", parent="other"))
    writer.close()
    assert folder.info() == msgspec.structs.replace(changed, device="cpu")
