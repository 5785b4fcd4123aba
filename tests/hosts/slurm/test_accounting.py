"""What the accounting of a cluster says of jobs that squeue no longer lists, and what follows if it does not answer."""

from collections.abc import Callable

import pytest

from fake_slurm import FakeSlurm
from hosts.slurm.watched import reason, row
from tuitrain.hosts.slurm import client
from tuitrain.hosts.slurm.client import SlurmError
from tuitrain.hosts.slurm.watch import update_waiting
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import Waiting
from tuitrain.runs.waiting import wait

WriteRun = Callable[..., RunFolder]


@pytest.mark.parametrize("status", [1, 0])
def test_a_slurm_that_does_not_answer_ends_no_wait(slurm: FakeSlurm, waiting: RunFolder, status: int) -> None:
    before = waiting.state()
    if status:
        slurm.answer("squeue", "", status, error="squeue: error: Unable to contact slurm controller\n")
    else:
        (slurm.folder / "squeue").unlink()
    with pytest.raises(SlurmError):
        update_waiting([waiting])
    assert waiting.state() == before


@pytest.mark.parametrize("error", ["", "sacct: error: Problem talking to the database: Connection refused\n"])
def test_an_accounting_that_fails_ends_no_wait(slurm: FakeSlurm, waiting: RunFolder, error: str) -> None:
    before = waiting.state()
    slurm.answer("sacct", "", 1, error=error)
    with pytest.raises(SlurmError, match="sacct failed"):
        update_waiting([waiting])
    (slurm.folder / "sacct").unlink()
    with pytest.raises(SlurmError, match="sacct is not on this machine"):
        update_waiting([waiting])
    assert waiting.state() == before


def test_an_accounting_that_hangs_ends_no_wait(
    slurm: FakeSlurm, waiting: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, call = waiting.state(), client.call
    monkeypatch.setattr(client, "call", lambda *words: call(*words, timeout=0.3 if words[0] == "sacct" else 60.0))
    slurm.answer("sacct", "", before="exec /bin/sleep 60")
    with pytest.raises(SlurmError, match="sacct did not answer"):
        update_waiting([waiting])
    assert waiting.state() == before


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "REQUEUED"])
def test_a_job_that_accounting_still_expects_ends_no_wait(slurm: FakeSlurm, waiting: RunFolder, state: str) -> None:
    slurm.answer("sacct", f"12|{state}\n")
    update_waiting([waiting])
    assert shown_status(waiting.state()) == "queued"


def test_a_cluster_without_accounting_ends_the_wait_for_a_forgotten_job(slurm: FakeSlurm, waiting: RunFolder) -> None:
    slurm.answer("sacct", "", 1, error="Slurm accounting storage is disabled\n")
    update_waiting([waiting])
    assert "Slurm no longer knows it" in waiting.state().reason


def test_one_question_to_accounting_covers_all_runs(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folders = {job: write_run(f"run-{job[:3]}", status="stopped") for job in ("12", "13_1", "14", "9" * 20, "a,b")}
    for job, folder in folders.items():
        wait(folder, Waiting(by="slurm", since=0.0, job=job, cluster="fake"))
    slurm.answer("squeue", row(id="14"))
    slurm.answer("sacct", "13_1|CANCELLED by 0\n12|NODE_FAIL\n")
    update_waiting(list(folders.values()))
    assert [shown_status(folder.state()) for folder in folders.values()] == [
        "failed", "stopped", "queued", "failed", "failed",
    ]  # fmt: skip
    (call,) = slurm.calls("sacct")
    assert call.endswith("--jobs=12,13_1")


def test_a_silent_accounting_is_asked_once_and_delays_no_other_reason(
    slurm: FakeSlurm, waiting: RunFolder, write_run: WriteRun
) -> None:
    folders = [write_run(f"run-{job}", status="stopped") for job in range(3)]
    for job, folder in enumerate(folders):
        wait(folder, Waiting(by="slurm", since=0.0, job=str(job), cluster="fake"))
    slurm.answer("squeue", row())
    slurm.answer("sacct", "", 1, error="sacct: error: timed out\n")
    with pytest.raises(SlurmError):
        update_waiting([*folders, waiting])
    assert len(slurm.calls("sacct")) == 1
    assert [shown_status(folder.state()) for folder in folders] == ["queued"] * 3
    assert "(Resources)" in reason(waiting)
