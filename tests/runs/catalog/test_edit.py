import errno
import os
import re
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.catalog import edit
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.owner import claim, release
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.writer import RunWriter, create, encode_pretty
from written_runs import owner_pid

HOSTILE = ["\x1b[2J", "a\nb", "\u202egnp", "\ud800"]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def ended(runs_dir: Path) -> RunFolder:
    folder = create(runs_dir, RunInfo(id="", name="one", tags=["old"], command="x"), Config())
    writer = RunWriter(folder)
    writer.update(status="finished", now=True)
    writer.close()
    return folder


def listed(runs_dir: Path) -> list[str]:
    return [folder.id for folder in folders(runs_dir)]


def test_name_tags_and_notes_change_and_nothing_else(ended: RunFolder) -> None:
    before = ended.info()
    edit.rename(ended, "  better name ")
    edit.set_tags(ended, ["a", "b", "a"])
    edit.set_notes(ended, "why")
    after = ended.info()
    assert (after.name, after.tags, after.notes) == ("better name", ["a", "b"], "why")
    assert msgspec.structs.replace(after, name=before.name, tags=before.tags, notes=before.notes) == before
    assert not list(ended.path.glob(".*"))


def test_the_run_that_is_renamed_while_it_trains_keeps_its_name(runs_dir: Path) -> None:
    folder = create(runs_dir, RunInfo(id="", name="one"), Config())
    writer = RunWriter(folder)
    edit.rename(folder, "two")
    writer.info(RunInfo(id="", name="", device="cpu"))
    writer.close()
    assert (folder.info().name, folder.info().device) == ("two", "cpu")


@pytest.mark.parametrize("text", ["", "  ", "x" * 101, *HOSTILE])
def test_names_that_cannot_be(ended: RunFolder, text: str) -> None:
    before = ended.info_file.read_bytes()
    with pytest.raises(RunError, match="A run's name"):
        edit.rename(ended, text)
    assert ended.info_file.read_bytes() == before


@pytest.mark.parametrize("text", ["x" * 41, " ".join(f"t{number}" for number in range(51)), "\x1b[2J", "ok \u202eevil"])
def test_tags_that_cannot_be(text: str) -> None:
    with pytest.raises(RunError, match="tag"):
        edit.check_tags(text)


def test_the_longest_name_tags_and_notes_that_can_be() -> None:
    assert edit.check_name(" " + "x" * 100) == "x" * 100
    assert edit.check_notes("x" * 2000 + "\n") == "x" * 2000
    tags = ["x" * 40, *(f"t{number}" for number in range(49))]
    assert edit.check_tags(" ".join(tags)) == tags


def test_tags_are_words() -> None:
    assert edit.check_tags(" a, b  c,a ") == ["a", "b", "c"]
    assert edit.check_tags(" ") == []
    assert edit.retag(["a", "b"], "c -a") == ["b", "c"]
    assert edit.retag(["a"], "") == ["a"]
    with pytest.raises(RunError, match="A tag has at most"):
        edit.retag([], "-" + "x" * 41)


@pytest.mark.parametrize("text", ["x" * 2001, *HOSTILE])
def test_notes_that_cannot_be(text: str) -> None:
    with pytest.raises(RunError, match="A note"):
        edit.check_notes(text)
    assert edit.check_notes("  ") == ""


def test_a_deleted_run_can_be_restored_unchanged(runs_dir: Path, ended: RunFolder) -> None:
    before = {path.name: path.read_bytes() for path in ended.path.iterdir() if path.is_file()}
    thrown = edit.trash(ended, runs_dir)
    assert listed(runs_dir) == []
    assert thrown.path.parent == runs_dir / ".trash"
    edit.restore(thrown, ended)
    assert listed(runs_dir) == [ended.id]
    assert {path.name: path.read_bytes() for path in ended.path.iterdir() if path.is_file()} == before
    assert owner_pid(ended) is None


def test_two_runs_of_one_name_in_the_trash(runs_dir: Path, ended: RunFolder) -> None:
    first = edit.trash(ended, runs_dir)
    ended.path.mkdir()
    second = edit.trash(ended, runs_dir)
    assert first.path != second.path
    edit.restore(first, ended)
    with pytest.raises(RunError, match=r"Another run now has the id"):
        edit.restore(second, ended)
    assert ended.info().name == "one"
    assert second.path.is_dir()


def test_a_run_that_is_deleted_twice_in_a_second(
    runs_dir: Path, ended: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    now, trashed = time.time_ns(), []
    for later in (0, 90, 10_000):
        shutil.copytree(ended.path, runs_dir / "kept", dirs_exist_ok=True)
        monkeypatch.setattr(time, "time_ns", lambda later=later: now + later)
        trashed.append(edit.trash(ended, runs_dir))
        (runs_dir / "kept").rename(ended.path)
    assert len({folder.path for folder in trashed}) == 3
    assert all(folder.info() == ended.info() for folder in trashed)


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_an_active_run_is_not_deleted(runs_dir: Path, ended: RunFolder, status: str) -> None:
    writer = RunWriter(ended)
    writer.update(status=status, now=True)
    with pytest.raises(RunError, match=rf"is {status}. Stop it first"):
        edit.trash(ended, runs_dir)
    writer.close()
    assert listed(runs_dir) == [ended.id]


def test_a_run_whose_process_is_gone_is_deleted(runs_dir: Path, ended: RunFolder) -> None:
    ended.state_file.write_bytes(encode_pretty(State(status="running")))
    edit.trash(ended, runs_dir)
    assert listed(runs_dir) == []


def test_a_damaged_run_is_deleted(runs_dir: Path, ended: RunFolder) -> None:
    ended.state_file.write_bytes(b"{")
    ended.info_file.unlink()
    edit.trash(ended, runs_dir)
    assert listed(runs_dir) == []


def test_nothing_outside_the_runs_folder_is_deleted(tmp_path: Path, runs_dir: Path, ended: RunFolder) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (runs_dir / "deep" / "run").mkdir(parents=True)
    for path in (
        elsewhere,
        runs_dir,
        runs_dir / "deep" / "run",
        runs_dir / "..",
        ended.path / "..",
        runs_dir / ".trash",
    ):
        with pytest.raises(RunError, match="is not a run in"):
            edit.trash(RunFolder(path), runs_dir)
    assert elsewhere.is_dir()
    assert ended.path.is_dir()


def test_links_are_not_followed(tmp_path: Path, runs_dir: Path, ended: RunFolder) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = runs_dir / "20260101-000000-link-0000"
    link.symlink_to(elsewhere)
    with pytest.raises(RunError, match="is a symbolic link"):
        edit.trash(RunFolder(link), runs_dir)
    (runs_dir / ".trash").symlink_to(elsewhere)
    with pytest.raises(RunError, match=r"cannot be moved to \.trash"):
        edit.trash(ended, runs_dir)
    assert listed(runs_dir) == [ended.id]
    assert list(elsewhere.iterdir()) == []
    assert owner_pid(ended) is None


def test_a_run_owned_by_another_process_is_not_deleted(runs_dir: Path, ended: RunFolder) -> None:
    claim(ended)
    try:
        content = msgspec.json.decode((ended.path / "owner.json").read_bytes())
        parent = dict(content["process"], pid=os.getppid(), born=float(_born(os.getppid())))
        (ended.path / "owner.json").write_bytes(msgspec.json.encode(dict(content, process=parent)))
        with pytest.raises(RunError, match=f"Process {os.getppid()} on"):
            edit.trash(ended, runs_dir)
        assert listed(runs_dir) == [ended.id]
    finally:
        release(ended)


def _born(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_reported(ended: RunFolder) -> None:
    ended.path.chmod(0o500)
    try:
        with pytest.raises(RunError, match=r"cannot be written: Permission denied\."):
            edit.rename(ended, "two")
    finally:
        ended.path.chmod(0o700)


@pytest.mark.parametrize("nanoseconds", [0, 1, 123_456_789, 999_999_999])
def test_a_trashed_run_is_named_after_the_time_and_its_id(
    runs_dir: Path, ended: RunFolder, monkeypatch: pytest.MonkeyPatch, nanoseconds: int
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000 * 10**9 + nanoseconds)
    trashed = edit.trash(ended, runs_dir)
    assert trashed.path.parent == runs_dir / ".trash"
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{nanoseconds:09}-{re.escape(ended.id)}", trashed.id)
    assert not (trashed.path / "owner.json").exists()


def test_a_run_whose_trash_was_emptied_cannot_be_restored(runs_dir: Path, ended: RunFolder) -> None:
    trashed = edit.trash(ended, runs_dir)
    shutil.rmtree(trashed.path)
    with pytest.raises(RunError, match=f"The run {ended.id} cannot be restored: No such file"):
        edit.restore(trashed, ended)


def test_a_disk_that_refuses_a_new_name_is_an_error(ended: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = ended.info_file.read_bytes()
    monkeypatch.setattr(edit, "replace", fail)
    with pytest.raises(RunError, match=r"run\.json cannot be written: No space left on device"):
        edit.rename(ended, "two")
    assert ended.info_file.read_bytes() == before
