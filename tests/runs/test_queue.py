"""The queue of a runs folder on disk."""

from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.process import this_process
from tuitrain.runs.queue import QueueFolder, QueueSession, waiting_runs
from tuitrain.runs.records import RunInfo, Waiting
from tuitrain.runs.waiting import wait
from tuitrain.runs.writer import create
from written_runs import list_runs


def test_the_order_is_by_priority_then_age_and_held_runs_come_last(runs_dir: Path) -> None:
    for name, since, priority, held in (
        ("c", 30.0, 0, False),
        ("a", 20.0, 5, False),
        ("d", 40.0, 0, False),
        ("held", 1.0, 9, True),
        ("e", 10.0, -5, False),
        ("b", 25.0, 5, False),
    ):
        folder = create(runs_dir, RunInfo(id="", name=name), Config())
        wait(folder, Waiting(by="queue", since=since, priority=priority, held=held))
    create(runs_dir, RunInfo(id="", name="no"), Config())
    wait(create(runs_dir, RunInfo(id="", name="cluster"), Config()), Waiting(by="slurm", since=0.0, job="7"))
    assert [run.info.name for run in waiting_runs(list_runs(runs_dir))] == ["a", "b", "c", "d", "e", "held"]


def test_a_queue_is_running_while_its_process_exists(tmp_path: Path) -> None:
    queue = QueueFolder(tmp_path)
    assert not queue.sessions()
    queue.claim()
    queue.update_session(5.0, ("cuda:0", "cuda:0"))
    (session,) = queue.sessions()
    assert (session.process, session.began, session.devices) == (this_process(), 5.0, ("cuda:0", "cuda:0"))
    gone = msgspec.structs.replace(session, process=msgspec.structs.replace(this_process(), born=1.0))
    (queue.path / "elsewhere.json").write_bytes(msgspec.json.encode(gone))
    (queue.path / "damaged.json").write_text("{")
    queue.stop()
    assert queue.control().stopped
    assert queue.sessions() == [session]
    queue.release()
    assert not queue.sessions()
    queue.claim()
    queue.release()


def test_the_queue_of_another_machine_is_running_while_its_heartbeat_is_recent(tmp_path: Path) -> None:
    queue = QueueFolder(tmp_path)
    queue.create()
    far = msgspec.structs.replace(this_process(), host="far", boot="other")
    for heartbeat, running in ((1.0, False), (tmp_path.stat().st_mtime, True)):
        session = QueueSession(far, 0.0, heartbeat)
        (queue.path / "far.json").write_bytes(msgspec.json.encode(session))
        assert queue.sessions() == [session] * running
    # It does not prevent a queue on this machine.
    queue.claim()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".queue").symlink_to(tmp_path / "elsewhere")
    for write in (QueueFolder(tmp_path).claim, QueueFolder(tmp_path).stop):
        with pytest.raises(RunError, match=r"The queue cannot be written: \.queue is a symbolic link"):
            write()
    assert QueueFolder(tmp_path).control().stopped == 0
