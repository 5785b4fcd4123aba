import os
from math import inf
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.catalog import cache as keeping
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import RunWriter, create


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keeping, "MIN_NEW", 1)
    monkeypatch.setattr(keeping, "SETTLED", 0)
    return tmp_path / "cache"


def made(runs_dir: Path, *settings: str) -> RunFolder:
    """Write an ended run."""
    folder = create(runs_dir, RunInfo(id="", name="one"), override(Config(), settings))
    writer = RunWriter(folder)
    writer.update(status="finished", step=7, now=True)
    writer.close()
    return folder


def listed(runs_dir: Path) -> Entry:
    (entry,) = RunIndex(runs_dir).refresh()
    return entry


def kept(cache: Path) -> Path:
    (path,) = (path for path in cache.rglob("*") if path.is_file())
    return path


def test_cached_entries_equal_read_entries(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path, "optimizer.lr=0.25", "model.hidden=[]", "data.augment=[flip]", "data.dir=/x")
    first = listed(tmp_path)
    assert first.config == folder.config()
    kept(cache)
    monkeypatch.setattr("tuitrain.runs.catalog.index.entry", None)  # Nothing is read.
    again = listed(tmp_path)
    assert (again.config, again.info, again.state, again.status) == (
        folder.config(), folder.info(), folder.state(), "finished",
    )  # fmt: skip


@pytest.mark.usefixtures("cache")
def test_a_changed_file_with_an_old_time_stamp_is_read_again(tmp_path: Path) -> None:
    folder = made(tmp_path, "optimizer.lr=0.25")
    listed(tmp_path)
    stat = folder.config_file.stat()
    folder.config_file.write_bytes(folder.config_file.read_bytes().replace(b"0.25", b"0.75"))
    os.utime(folder.config_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert listed(tmp_path).config.optimizer.lr == 0.75


def test_active_and_just_changed_runs_are_not_cached(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path)
    monkeypatch.setattr(keeping, "SETTLED", 10**12)
    listed(tmp_path)
    assert not cache.exists()
    monkeypatch.setattr(keeping, "SETTLED", 0)
    writer = RunWriter(folder)
    writer.update(status="running", now=True)
    writer.close()
    assert listed(tmp_path).status == "running"
    assert not cache.exists()


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, b"\x82\xa7version\xa1x\xa4runs\x80"])
def test_a_damaged_cache_is_ignored(tmp_path: Path, cache: Path, content: bytes) -> None:
    folder = made(tmp_path)
    listed(tmp_path)
    kept(cache).write_bytes(content)
    assert listed(tmp_path).state == folder.state()
    assert kept(cache).read_bytes() != content


def test_every_cut_of_the_cache_is_ignored(tmp_path: Path, cache: Path) -> None:
    made(tmp_path)
    listed(tmp_path)
    content = kept(cache).read_bytes()
    for end in range(0, len(content), 17):
        kept(cache).write_bytes(content[:end])
        assert listed(tmp_path).state.step == 7


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, cache: Path) -> None:
    cache.touch()
    made(tmp_path / "runs")
    assert listed(tmp_path / "runs").state.step == 7
    assert cache.read_bytes() == b""


@pytest.mark.usefixtures("cache")
def test_a_damaged_run_is_never_kept(tmp_path: Path) -> None:
    folder = made(tmp_path)
    folder.config_file.write_bytes(b"[nonsense]\n")
    for _ in range(2):
        found = listed(tmp_path)
        assert found.status == "damaged"
        assert "config.toml is damaged" in found.problem


@pytest.mark.usefixtures("cache")
def test_a_list_read_in_portions_becomes_complete(tmp_path: Path) -> None:
    ids = sorted((made(tmp_path / "runs").id for _ in range(30)), reverse=True)
    index = RunIndex(tmp_path / "runs")
    seen = index.refresh(0)
    assert (len(seen), index.unread) == (1, 29)
    counts = []
    while index.unread:
        seen = index.refresh(1e-4)
        counts.append(len(seen))
        assert [entry.folder.id for entry in seen] == ids[: len(seen)]
    assert counts == sorted(counts)
    assert [entry.folder.id for entry in seen] == ids


@pytest.mark.usefixtures("cache")
def test_a_limited_refresh_checks_all_active_runs_and_ended_ones_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.runs.catalog.index.SLICE", 2)
    made_runs = [made(tmp_path / "runs") for _ in range(7)]
    first = made_runs[0].state_file
    first.write_bytes(first.read_bytes().replace(b"finished", b"queued"))
    index = RunIndex(tmp_path / "runs")
    index.refresh()
    for folder in made_runs:
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"epoch": 0', b'"epoch": 5'))
    seen = []
    for _ in range(3):
        entries = {entry.folder.id: entry.state.epoch for entry in index.refresh(1)}
        assert entries[made_runs[0].id] == 5
        seen.append(sum(epoch == 5 for epoch in entries.values()))
    assert seen == [3, 5, 7]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("seconds", "everything", "checked"), [(1, False, 2), (1, True, 7), (inf, False, 7)])
def test_a_refresh_without_limit_or_of_everything_checks_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, everything: bool, checked: int
) -> None:
    monkeypatch.setattr("tuitrain.runs.catalog.index.SLICE", 2)
    made_runs = [made(tmp_path / "runs") for _ in range(7)]
    index = RunIndex(tmp_path / "runs")
    index.refresh()
    for folder in made_runs:
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"epoch": 0', b'"epoch": 5'))
    assert sum(entry.state.epoch == 5 for entry in index.refresh(seconds, everything=everything)) == checked
