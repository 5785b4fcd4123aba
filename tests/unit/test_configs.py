import os
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.runs import configs
from tuitrain.runs.configs import Configs
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.index import RunIndex
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import create


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(configs, "WORTH_KEEPING", 1)
    return tmp_path / "cache"


def made(runs_dir: Path, *settings: str) -> RunFolder:
    return create(runs_dir, RunInfo(id="", name="one"), override(Config(), settings))


def kept(cache: Path) -> Path:
    (path,) = (path for path in cache.rglob("*") if path.is_file())
    return path


def test_what_is_kept_is_what_is_read(tmp_path: Path, cache: Path) -> None:
    folder = made(tmp_path / "runs", "optimizer.lr=0.25", "model.hidden=[]", "data.augment=[flip]", "data.dir=/x")
    first = Configs(tmp_path / "runs")
    assert first.read(folder) == folder.config()
    first.keep()
    size = kept(cache).stat().st_size
    again = Configs(tmp_path / "runs")
    assert again.read(folder) == folder.config()
    again.keep()
    assert kept(cache).stat().st_size == size


@pytest.mark.usefixtures("cache")
def test_a_file_that_changes_without_a_trace_is_read_anew(tmp_path: Path) -> None:
    folder = made(tmp_path / "runs", "optimizer.lr=0.25")
    first = Configs(tmp_path / "runs")
    first.read(folder)
    first.keep()
    stat = folder.config_file.stat()
    folder.config_file.write_bytes(folder.config_file.read_bytes().replace(b"0.25", b"0.75"))
    os.utime(folder.config_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Configs(tmp_path / "runs").read(folder).optimizer.lr == 0.75
    assert first.read(folder).optimizer.lr == 0.75


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, b"\x82\xa7version\xa1x\xa7configs\x80"])
def test_a_damaged_cache_is_ignored(tmp_path: Path, cache: Path, content: bytes) -> None:
    folder = made(tmp_path / "runs")
    first = Configs(tmp_path / "runs")
    first.read(folder)
    first.keep()
    kept(cache).write_bytes(content)
    second = Configs(tmp_path / "runs")
    assert second.read(folder) == Config()
    second.keep()
    assert kept(cache).read_bytes() != content


def test_every_cut_of_the_cache_is_ignored(tmp_path: Path, cache: Path) -> None:
    folder = made(tmp_path / "runs")
    first = Configs(tmp_path / "runs")
    first.read(folder)
    first.keep()
    content = kept(cache).read_bytes()
    for end in range(0, len(content), 7):
        kept(cache).write_bytes(content[:end])
        assert Configs(tmp_path / "runs").read(folder) == Config()


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, cache: Path) -> None:
    cache.touch()
    folder = made(tmp_path / "runs")
    one = Configs(tmp_path / "runs")
    assert one.read(folder) == Config()
    one.keep()
    assert cache.read_bytes() == b""


@pytest.mark.usefixtures("cache")
def test_a_damaged_configuration_is_an_error_each_time(tmp_path: Path) -> None:
    folder = made(tmp_path / "runs")
    folder.config_file.write_bytes(b"[nonsense]\n")
    one = Configs(tmp_path / "runs")
    for _ in range(2):
        with pytest.raises(RunError, match=r"config\.toml is damaged"):
            one.read(folder)


@pytest.mark.usefixtures("cache")
def test_a_list_that_is_read_a_little_at_a_time_comes_to_be_whole(tmp_path: Path) -> None:
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
def test_with_a_limit_what_goes_on_is_looked_at_each_time_and_the_rest_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.runs.index.SLICE", 2)
    made_runs = [made(tmp_path / "runs") for _ in range(7)]
    for folder in made_runs[1:]:
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b"queued", b"finished"))
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
