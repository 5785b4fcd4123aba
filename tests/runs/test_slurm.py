"""The records of runs that wait for Slurm."""

import time
from collections.abc import Callable

import pytest
from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import SlurmJob, State, Status, Waiting
from tuitrain.runs.slurm import LOST, change_waiting, end_lost, is_lost, waiting_runs, waits_for_slurm
from tuitrain.runs.waiting import change_state, end_waiting, record_end, wait
from tuitrain.runs.writer import RunWriter

WriteRun = Callable[..., RunFolder]
RECORD = Waiting(by="slurm", since=1.0, reason="busy", job="12", cluster="big")


def test_only_a_queued_run_with_a_job_waits_for_slurm() -> None:
    assert waits_for_slurm(State(waiting=RECORD)) == RECORD
    assert waits_for_slurm(State()) is None
    assert waits_for_slurm(State(status="running", waiting=RECORD)) is None
    assert waits_for_slurm(State(waiting=Waiting(by="queue", since=1.0))) is None


def test_the_record_and_other_changes_are_written_at_once(write_run: WriteRun) -> None:
    folder = write_run("one", status="failed", reason="NaN")
    wait(folder, RECORD, slurm=SlurmJob(id="12"))
    state = folder.state()
    assert (state.status, state.reason, state.process) == ("queued", "", None)
    assert (state.waiting, state.slurm) == (RECORD, SlurmJob(id="12"))
    assert not (folder.path / "owner.json").exists()


def test_a_record_changes_only_while_the_run_waits(write_run: WriteRun) -> None:
    folder = write_run("one", status="stopped")
    before = folder.state()
    change_waiting(folder, reason="other")
    assert folder.state() == before
    wait(folder, RECORD)
    change_waiting(folder, reason="other")
    assert folder.state().waiting == structs.replace(RECORD, reason="other")


def test_an_unchanged_state_is_not_written(write_run: WriteRun) -> None:
    folder = write_run("one")
    inode = folder.state_file.stat().st_ino
    change_state(folder, lambda state: state)
    assert folder.state_file.stat().st_ino == inode


def test_a_process_that_owns_the_run_keeps_it(write_run: WriteRun) -> None:
    folder = write_run("one", status="stopped")
    writer = RunWriter(folder)
    with pytest.raises(RunError, match="has owned the run"):
        wait(folder, RECORD)
    writer.close()


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_a_wait_that_ends_is_recorded_with_its_reason(
    write_run: WriteRun, read: Callable[..., object], status: str
) -> None:
    folder = write_run("one", status="stopped")
    assert end_waiting(folder, "slurm", "failed", "why") is None
    wait(folder, RECORD)
    state = end_waiting(folder, "slurm", status, "why")  # type: ignore[arg-type]
    assert state == folder.state()
    assert state is not None
    assert (state.status, state.reason, state.waiting, state.process, state.phase) == (status, "why", None, None, "")
    assert state.ended is not None
    assert "why" in folder.log_file.read_text()
    assert f'"name":"{status}"' in folder.metrics_file.read_text()
    assert read(folder)


def test_a_wait_in_the_queue_is_not_ended(write_run: WriteRun) -> None:
    folder = write_run("one", status="stopped")
    wait(folder, Waiting(by="queue", since=1.0))
    assert end_waiting(folder, "slurm", "failed", "why") is None
    assert shown_status(folder.state()) == "queued"


def test_a_run_that_had_ended_before_it_waited_keeps_that_end(write_run: WriteRun) -> None:
    folder = write_run("one")
    wait(folder, structs.replace(RECORD, before="finished"))
    state = end_waiting(folder, "slurm", "failed", "why")
    assert state is not None
    assert (folder.state().status, folder.state().not_continued) == ("finished", "why")


@pytest.mark.parametrize(
    ("slurm", "age", "status", "lost"),
    [
        (SlurmJob(id="12"), LOST - 60, "running", True),
        (SlurmJob(id="12"), LOST + 60, "running", False),
        (None, 0.0, "running", False),
        (SlurmJob(id="12"), 0.0, "stopped", False),
    ],
)
def test_a_run_is_lost_if_its_job_was_killed_lately(
    slurm: SlurmJob | None, age: float, status: Status, lost: bool
) -> None:
    state = State(status=status, slurm=slurm, heartbeat=time.time() - age)
    assert is_lost(state) is lost
    folder, waiting = RunFolder.__new__(RunFolder), RunFolder.__new__(RunFolder)
    found = waiting_runs([(folder, state), (waiting, State(waiting=RECORD))])
    assert found == ([folder, waiting] if lost else [waiting])


def test_a_lost_run_ends_with_the_reason_unless_it_continues(write_run: WriteRun) -> None:
    folder = write_run("one", status="running", dead=True)
    end_lost(folder, "failed", "why")
    assert shown_status(folder.state()) == "interrupted"
    change_state(folder, lambda state: structs.replace(state, slurm=SlurmJob(id="12")))
    end_lost(folder, "failed", "why")
    state = folder.state()
    assert (state.status, state.reason, state.slurm) == ("failed", "why", SlurmJob(id="12"))


def test_an_end_that_cannot_be_written_is_a_sentence(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RunWriter(write_run("one", status="stopped"))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "row", full)
    with pytest.raises(RunError, match=r"cannot be written: No space left on device\."):
        record_end(writer, "failed", "why")
    writer.close()
