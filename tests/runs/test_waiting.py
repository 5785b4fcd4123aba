"""A run waits for the queue or Slurm without a process that owns it."""

import time
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import RunInfo, Waiting
from tuitrain.runs.waiting import wait
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
