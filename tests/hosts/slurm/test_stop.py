"""Stop runs in a scripted Slurm."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from fake_slurm import FakeSlurm
from tuitrain.cli.parser import parse
from tuitrain.errors import RunError
from tuitrain.hosts.slurm.stop import cancel_job, in_slurm, stop
from tuitrain.hosts.slurm.submit import resubmit_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.process import this_process
from tuitrain.runs.records import SlurmJob, Waiting
from tuitrain.runs.waiting import change_state, wait

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def waiting(slurm: FakeSlurm, write_run: WriteRun) -> RunFolder:
    folder = write_run("mine", status="stopped")
    wait(folder, Waiting(by="slurm", since=time.time(), job="12"))
    slurm.answer("squeue", f"{folder.path}/job.sh\n")
    return folder


@pytest.fixture
def running(slurm: FakeSlurm, write_run: WriteRun) -> RunFolder:
    """A run whose loop takes no commands."""
    folder = write_run("mine", status="running")
    change_state(folder, lambda state: structs.replace(state, slurm=SlurmJob(id="12")))
    slurm.answer("squeue", f"{folder.path}/job.sh\n")
    return folder


def test_a_waiting_run_is_cancelled_at_once(
    slurm: FakeSlurm, waiting: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_slurm(waiting)
    options = parse(["stop", str(waiting.path)])
    assert options.run(options) == 0
    assert "cancelled Slurm job 12" in capsys.readouterr().err
    state = waiting.state()
    assert (state.status, state.reason) == ("stopped", "Cancelled before Slurm started it.")
    assert slurm.calls("scancel") == ["12"]


def test_a_finished_run_that_waited_to_continue_is_finished_again(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folder = write_run("mine", status="finished")
    before = folder.state()
    resubmit_run(folder, epochs=9)
    slurm.answer("squeue", f"{folder.path}/job.sh\n")
    assert shown_status(folder.state()) == "queued"
    stop(folder)
    state = folder.state()
    assert (state.status, state.ended, state.test) == ("finished", before.ended, before.test)
    assert state.not_continued == "Cancelled before Slurm started it."


def test_a_run_that_does_not_stop_is_cancelled(slurm: FakeSlurm, running: RunFolder) -> None:
    assert stop(running, seconds=0.3) == "the run did not stop within 0.3 s: cancelled Slurm job 12"
    assert slurm.calls("scancel") == ["12"]
    assert [command.name for command in Inbox(running, 0).new()] == ["stop"]


def test_a_run_that_stops_by_itself_is_not_cancelled(slurm: FakeSlurm, running: RunFolder) -> None:
    squeue, state = slurm.folder / "squeue", running.state_file
    change_state(running, lambda state: structs.replace(state, status="stopped"))
    assert stop(running) == "the run is stopped"
    assert (squeue.exists(), state.exists(), slurm.calls("scancel")) == (True, True, [])


@pytest.mark.parametrize(
    ("job", "script", "problem"),
    [
        ("12", "/home/me/important.sh\n", "Slurm job 12 does not train"),
        ("12", "(null)\n", "Slurm job 12 does not train"),
        ("12", "", "Slurm job 12 does not train"),
        ("--me", "", "'--me' is not the id of a Slurm job."),
        ("12 13", "", "'12 13' is not the id of a Slurm job."),
    ],
)
def test_a_folder_from_elsewhere_cannot_cancel_my_jobs(
    slurm: FakeSlurm, waiting: RunFolder, job: str, script: str, problem: str
) -> None:
    wait(waiting, Waiting(by="slurm", since=0.0, job=job))
    slurm.answer("squeue", script)
    with pytest.raises(RunError, match=problem):
        stop(waiting)
    assert slurm.calls("scancel") == []
    assert waiting.state().waiting is not None


@pytest.mark.parametrize("kind", ["job.sh", "folder", "script of the job"])
def test_a_link_from_elsewhere_cannot_cancel_my_jobs(
    slurm: FakeSlurm, waiting: RunFolder, write_run: WriteRun, kind: str
) -> None:
    mine = write_run("other", status="stopped").path
    script, folder = mine / "job.sh", waiting.path
    script.touch()
    if kind == "job.sh":
        (folder / "job.sh").symlink_to(script)
    elif kind == "folder":
        folder = folder.with_name("linked")
        folder.symlink_to(mine)
    else:
        (folder / "job.sh").touch()
        script.unlink()
        script.symlink_to(folder / "job.sh")
    slurm.answer("squeue", f"{script}\n")
    with pytest.raises(RunError, match="Slurm job 12 does not train"):
        cancel_job(folder, "12")
    # Even where Slurm names the linked script itself.
    slurm.answer("squeue", f"{folder}/job.sh\n")
    if kind == "job.sh":
        with pytest.raises(RunError, match="Slurm job 12 does not train"):
            stop(waiting)
    assert slurm.calls("scancel") == []


def test_a_runs_folder_behind_a_link_is_the_same_folder(slurm: FakeSlurm, waiting: RunFolder, tmp_path: Path) -> None:
    runs = tmp_path / "linked"
    runs.symlink_to(waiting.path.parent)
    cancel_job(runs / waiting.path.name, "12")
    slurm.answer("squeue", f"{runs / waiting.path.name}/job.sh\n")
    cancel_job(waiting.path, "12")
    assert slurm.calls("scancel") == ["12", "12"]


def test_a_job_that_slurm_has_forgotten_is_as_good_as_cancelled(slurm: FakeSlurm, waiting: RunFolder) -> None:
    slurm.answer("squeue", "", 1, error="slurm_load_jobs error: Invalid job id specified\n")
    stop(waiting)
    assert waiting.state().status == "stopped"
    assert slurm.calls("scancel") == []


@pytest.mark.parametrize("program", ["squeue", "scancel"])
def test_a_wait_that_slurm_does_not_end_continues(slurm: FakeSlurm, waiting: RunFolder, program: str) -> None:
    slurm.answer(program, "", 1, error=f"{program}: error: no controller\n")
    with pytest.raises(RunError, match=f"{program} failed: no controller."):
        stop(waiting)
    assert waiting.state().waiting is not None


def test_a_run_outside_of_slurm_is_stopped_as_ever(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folder = write_run("mine", status="running", process=this_process())
    assert not in_slurm(folder)
    options = parse(["stop", str(folder.path)])
    options.run(options)
    assert [command.name for command in Inbox(folder, 0).new()] == ["stop"]
    assert slurm.calls("squeue") == []
