"""A run waits for the queue or Slurm without a process that owns it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import RunInfo, Waiting
from tuitrain.runs.waiting import CANCELLED, cancel, change, in_queue, stop, wait
from tuitrain.runs.writer import RunWriter, create
from written_runs import owner_pid

WAITING = Waiting(by="queue", since=1.0, reason="no free device", priority=2)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path, RunInfo(id="", name="later"), Config())


def test_a_waiting_run_is_queued_until_a_process_writes_it(folder: RunFolder) -> None:
    wait(folder, WAITING)
    state = folder.state()
    assert (shown_status(state), state.waiting, state.process) == ("queued", WAITING, None)
    writer = RunWriter(folder)
    assert not writer.resumed
    writer.update(status="running", heartbeat=time.time(), now=True)
    assert (folder.state().status, folder.state().waiting) == ("running", None)
    writer.close()


def test_a_run_that_a_process_owns_does_not_wait(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    with pytest.raises(RunError, match=f"Process {owner_pid(folder)} on"):
        wait(folder, WAITING)
    writer.close()
    wait(folder, WAITING)


def test_a_waiting_run_is_changed_and_cancelled(folder: RunFolder) -> None:
    wait(folder, WAITING)
    change(folder, held=True, priority=-3)
    assert in_queue(folder.state()) == structs.replace(WAITING, held=True, priority=-3)
    cancel(folder)
    state = folder.state()
    assert (shown_status(state), state.waiting, state.process, state.reason) == ("stopped", None, None, CANCELLED)
    assert owner_pid(folder) is None


@pytest.mark.parametrize("act", [cancel, change])
def test_a_run_that_does_not_wait_in_the_queue_is_left_alone(
    folder: RunFolder, act: Callable[[RunFolder], None]
) -> None:
    created = folder.state()
    with pytest.raises(RunError, match="does not wait in the queue"):
        act(folder)
    assert folder.state() == created
    wait(folder, structs.replace(WAITING, by="slurm"))
    with pytest.raises(RunError, match="does not wait in the queue"):
        act(folder)
    assert folder.state().waiting == structs.replace(WAITING, by="slurm")
    wait(folder, WAITING)
    writer = RunWriter(folder)
    with pytest.raises(RunError, match="does not wait in the queue"):
        act(folder)
    writer.close()
    assert in_queue(folder.state()) == WAITING


def test_stop_cancels_a_waiting_run_and_stops_one_that_has_just_started(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(folder, WAITING)
    stop(folder)
    assert (folder.state().status, folder.control_file.exists()) == ("stopped", False)
    wait(folder, WAITING)
    inbox, waits = Inbox(folder), folder.state()
    writer = RunWriter(folder)
    writer.update(status="running", now=True)
    # The state that was read just before.
    monkeypatch.setattr(folder, "state", lambda: waits)
    stop(folder)
    assert [command.name for command in inbox.new()] == ["stop"]
    writer.close()


@pytest.mark.parametrize("act", [cancel, partial(change, held=True)])
def test_a_state_that_cannot_be_written(
    folder: RunFolder, act: Callable[[RunFolder], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(folder, WAITING)

    def full(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    for module in ("waiting", "writer"):
        monkeypatch.setattr(f"tuitrain.runs.{module}.replace", full)
    with pytest.raises(RunError, match="cannot be written: Read-only file system"):
        act(folder)
    assert in_queue(folder.state()) == WAITING
    assert owner_pid(folder) is None
