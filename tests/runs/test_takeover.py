"""Owner files of processes that have ended, and disks that fail meanwhile."""

import errno
import hashlib
import os
import time
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs import owner
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import Owner, claim
from tuitrain.runs.process import Process, this_process
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.writer import create
from written_runs import owner_pid


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path, RunInfo(id="", name="one"), Config())


def write_owner(folder: RunFolder, born: float) -> Process:
    """Write the owner file of a process that has ended."""
    process = msgspec.structs.replace(this_process(), born=born)
    (folder.path / "owner.json").write_bytes(msgspec.json.encode(Owner(process, 1.0)))
    return process


def test_a_file_that_keeps_changing_is_given_up(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(owner, "_take_over", lambda *_: False)
    write_owner(folder, born=1.0)
    with pytest.raises(RunError, match=r"Other processes keep changing .*owner\.json"):
        claim(folder)


def test_an_owner_file_that_another_process_has_replaced_is_not_taken_over(folder: RunFolder) -> None:
    write_owner(folder, born=1.0)
    path = folder.path / "owner.json"
    before = path.read_bytes()
    write_owner(folder, born=2.0)
    assert not owner._take_over(path, before, b"ours")
    assert owner._take_over(path, path.read_bytes(), b"ours")
    assert path.read_bytes() == b"ours"
    assert [file.name for file in folder.path.iterdir() if file.name.startswith(".")] == []


def test_a_ticket_of_a_living_process_is_waited_for(folder: RunFolder) -> None:
    write_owner(folder, born=1.0)
    path = folder.path / "owner.json"
    abandoned = path.read_bytes()
    ticket = path.with_name(f".owner.json.{hashlib.sha256(abandoned).hexdigest()[:16]}")
    ticket.write_bytes(msgspec.json.encode(Owner(this_process(), 1.0)))
    assert not owner._take_over(path, abandoned, b"ours")
    assert path.read_bytes() == abandoned
    assert ticket.exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_disk_that_takes_no_owner_file_is_an_error(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    opened = Path.open

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail_to_create(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> object:
        return fail() if mode == "xb" else opened(path, mode, *arguments, **options)

    if links:
        monkeypatch.setattr(Path, "open", fail_to_create)
    else:
        monkeypatch.setattr(os, "link", fail)
        monkeypatch.setattr(os, "write", fail)
    with pytest.raises(RunError, match="The run cannot be written: No space left on device"):
        claim(folder)
    monkeypatch.undo()
    assert not [path for path in folder.path.iterdir() if "owner.json" in path.name]
    claim(folder)
    assert owner_pid(folder) == os.getpid()


def test_a_takeover_that_fails_leaves_the_old_file(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    process = write_owner(folder, born=1.0)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(owner, "replace", fail)
    with pytest.raises(RunError, match="The run cannot be written: Input/output error"):
        claim(folder)
    assert owner_pid(folder) == process.pid
    assert [path.name for path in folder.path.iterdir() if path.name.startswith(".")] == []


def test_a_run_without_a_readable_state_has_no_heartbeat(folder: RunFolder) -> None:
    folder.state_file.write_bytes(msgspec.json.encode(State(heartbeat=12.0)))
    assert owner._heartbeat(lambda: folder) == 12.0
    folder.state_file.write_text("{")
    assert owner._heartbeat(lambda: folder) == owner._heartbeat(lambda: None) == 0.0


def test_the_age_of_a_file_is_that_on_its_disk(folder: RunFolder) -> None:
    now = time.time()
    os.utime(folder.state_file, (now - 100, now - 100))
    assert 99 < owner._age(folder.state_file) < 200
    assert owner._age(folder.path / "gone") == inf
    assert owner._age(folder.path / "gone" / "too") == inf
