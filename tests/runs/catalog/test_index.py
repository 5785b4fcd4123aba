import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import Process
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import RunWriter, create, encode_pretty


def made(runs_dir: Path, name: str) -> RunFolder:
    return create(runs_dir, RunInfo(id="", name=name), Config())


def test_a_folder_created_later(tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "runs")
    assert index.refresh() == []
    one = made(tmp_path / "runs", "one")
    assert [entry.folder.id for entry in index.refresh()] == [one.id]


def test_only_changed_runs_are_read_again(tmp_path: Path) -> None:
    made(tmp_path, "one")
    two = made(tmp_path, "two")
    index = RunIndex(tmp_path)
    first = {entry.info.name: entry for entry in index.refresh()}
    RunWriter(two).update(status="running", epoch=1)
    second = {entry.info.name: entry for entry in index.refresh()}
    assert second["one"] is first["one"]
    assert (second["two"].status, second["two"].state.epoch) == ("running", 1)


def test_every_change_is_seen_however_fast_they_come(tmp_path: Path) -> None:
    writer, index = RunWriter(made(tmp_path, "one")), RunIndex(tmp_path)
    for epoch in range(50):
        writer.update(epoch=epoch, now=True)
        (entry,) = index.refresh()
        assert entry.state.epoch == epoch


def test_runs_that_are_removed_are_gone_and_new_ones_come_first(tmp_path: Path) -> None:
    for name in ("20260101", "20260102"):
        made(tmp_path, name).path.rename(tmp_path / name)
    index = RunIndex(tmp_path)
    assert [entry.folder.id for entry in index.refresh()] == ["20260102", "20260101"]
    (tmp_path / "20260102").rename(tmp_path / "20251231")
    assert [entry.folder.id for entry in index.refresh()] == ["20260101", "20251231"]


def test_a_damaged_run_that_is_mended_is_well_again(tmp_path: Path) -> None:
    folder = made(tmp_path, "one")
    kept = folder.state_file.read_bytes()
    folder.state_file.unlink()
    index = RunIndex(tmp_path)
    assert [(entry.status, entry.problem) for entry in index.refresh()] == [("damaged", "state.json is missing.")]
    folder.state_file.write_bytes(kept)
    assert [(entry.status, entry.problem) for entry in index.refresh()] == [("queued", "")]


def test_a_run_whose_process_dies_is_interrupted_though_no_file_changes(tmp_path: Path) -> None:
    folder = made(tmp_path, "one")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import msgspec, sys; from tuitrain.runs.process import this_process;"
            "print(msgspec.json.encode(this_process()).decode(), flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        process = msgspec.json.decode(child.stdout.readline(), type=Process)
        state = msgspec.structs.replace(folder.state(), status="running", process=process)
        folder.state_file.write_bytes(encode_pretty(state))
        index, stamp = RunIndex(tmp_path), folder.state_file.stat().st_mtime_ns
        assert [entry.status for entry in index.refresh()] == ["running"]
    assert [entry.status for entry in index.refresh()] == ["interrupted"]
    assert folder.state_file.stat().st_mtime_ns == stamp


def test_a_folder_that_is_a_file_is_an_error_until_it_is_one_no_more(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    index = RunIndex(tmp_path / "runs")
    with pytest.raises(RunError, match="cannot be read"):
        index.refresh()
    (tmp_path / "runs").unlink()
    made(tmp_path / "runs", "one")
    assert len(index.refresh()) == 1
