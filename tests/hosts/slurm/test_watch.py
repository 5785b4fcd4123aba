"""Follow waiting runs by the answers of a scripted Slurm."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import pytest
from msgspec import structs

from fake_slurm import FakeSlurm
from hosts.slurm.watched import reason, row
from tuitrain.cli.parser import parse
from tuitrain.hosts.slurm import client, watch
from tuitrain.hosts.slurm.client import Listed, SlurmError
from tuitrain.hosts.slurm.reasons import describe
from tuitrain.hosts.slurm.watch import SlurmWatch, update_waiting
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import SlurmJob, Waiting
from tuitrain.runs.slurm import change_waiting, waiting_runs
from tuitrain.runs.waiting import change_state, wait
from tuitrain.runs.writer import RunWriter

WriteRun = Callable[..., RunFolder]
LONG_AGO = "2026-01-01T00:00:00"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (("PENDING", "Resources"), "the nodes are busy (Resources)"),
        (
            ("PENDING", "Priority", "2026-11-30T14:20:31"),
            "other jobs come first (Priority), expected to start at 2026-11-30 14:20",
        ),
        (
            ("PENDING", "ReqNodeNotAvail, UnavailableNodes:gpu07"),
            "a node that it needs is down or reserved (ReqNodeNotAvail, UnavailableNodes:gpu07)",
        ),
        (("PENDING", "QOSMaxGRESPerUser"), "a limit of your QOS (QOSMaxGRESPerUser)"),
        (("PENDING", "AssocGrpCpuLimit"), "a limit of your account (AssocGrpCpuLimit)"),
        (("PENDING", "Something new"), "Something new"),
        (("PENDING", "None"), "Slurm has not looked at it yet"),
        (("RUNNING", "None", "", "gpu07"), "starting on gpu07"),
        (("COMPLETING", "None"), "completing"),
    ],
)
def test_reasons_in_plain_words(job: tuple[str, ...], said: str) -> None:
    assert describe(Listed("12", *job)) == said


def test_one_question_updates_the_reason_of_each_run(slurm: FakeSlurm, waiting: RunFolder, write_run: WriteRun) -> None:
    other = write_run("other", status="stopped")
    wait(other, Waiting(by="slurm", since=0.0, job="13", cluster="fake"))
    slurm.answer("squeue", row() + row(reason="Priority", id="13") + row(id="14"))
    update_waiting([waiting, other])
    assert [reason(folder) for folder in (waiting, other)] == [
        "the nodes are busy (Resources)", "other jobs come first (Priority)",
    ]  # fmt: skip
    assert len(slurm.calls("squeue")) == 1
    assert not (waiting.path / "owner.json").exists()


@pytest.mark.parametrize(
    ("answer", "accounted", "status", "said"),
    [
        (row("CANCELLED", end=LONG_AGO), "", "stopped", "Slurm job 12 was cancelled before it trained the run."),
        ("", "12|CANCELLED by 1000\n", "stopped", "Slurm job 12 was cancelled before it trained the run."),
        (
            row("FAILED", "NonZeroExitCode", end=LONG_AGO), "", "failed",
            "ended before it trained the run: FAILED NonZeroExitCode (python: not found). Submit it again:",
        ),
        (row("NODE_FAIL", "NodeDown", end=LONG_AGO), "", "failed", "NODE_FAIL NodeDown"),
        ("", "12|FAILED\n12|COMPLETED\n", "failed", "ended before it trained the run: FAILED ("),
        ("", "", "failed", "Slurm job 12 never trained the run, and Slurm no longer knows it. Submit it again:"),
    ],
)  # fmt: skip
def test_a_job_that_is_gone_ends_the_wait(
    slurm: FakeSlurm, waiting: RunFolder, answer: str, accounted: str, status: str, said: str
) -> None:
    waiting.log_file.write_text("python: not found\n")
    slurm.answer("squeue", answer)
    slurm.answer("sacct", accounted)
    update_waiting([waiting])
    state = waiting.state()
    assert (shown_status(state), state.waiting) == (status, None)
    assert said in state.reason


def test_a_job_that_has_just_ended_may_have_trained_the_run(slurm: FakeSlurm, waiting: RunFolder) -> None:
    slurm.answer("squeue", row("COMPLETED", "None", end=datetime.now().isoformat(timespec="seconds")))
    update_waiting([waiting])
    assert shown_status(waiting.state()) == "queued"


def test_a_run_that_was_just_submitted_may_not_be_listed_yet(slurm: FakeSlurm, waiting: RunFolder) -> None:
    change_waiting(waiting, since=time.time())
    update_waiting([waiting])
    assert shown_status(waiting.state()) == "queued"
    assert slurm.calls("sacct") == []


@pytest.mark.usefixtures("slurm")
def test_a_run_that_was_submitted_again_meanwhile_keeps_its_new_wait(
    waiting: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accounted(jobs: Iterable[str]) -> dict[str, str]:
        change_waiting(waiting, job="13")
        return dict.fromkeys(jobs, "FAILED")

    monkeypatch.setattr(watch, "accounted_states", accounted)
    update_waiting([waiting])
    assert shown_status(waiting.state()) == "queued"


@pytest.mark.parametrize("answer", ["\x00\x1b[2J|\n", "12|PENDING\n", "12\n|PENDING|x|x|x|x|x\n", "a|b|c|d|e|f\n"])
def test_odd_rows_are_skipped(slurm: FakeSlurm, answer: str) -> None:
    slurm.answer("squeue", answer.replace("\x00", "?") + row(reason="\x1b[2JBad"))
    (job,) = client.my_jobs()
    assert job.id == "12"
    assert "\x1b" not in job.reason


def test_runs_of_another_cluster_or_user_stay_as_they_are(
    slurm: FakeSlurm, waiting: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_waiting(waiting, cluster="other")
    before = waiting.state()
    slurm.answer("squeue", row())
    update_waiting([waiting])
    change_waiting(waiting, cluster="fake")
    monkeypatch.setattr("os.getuid", lambda: 4711)
    update_waiting([waiting])
    change_waiting(waiting, cluster="other")
    assert waiting.state() == before


def test_an_interrupted_submission_does_not_wait_forever(slurm: FakeSlurm, waiting: RunFolder) -> None:
    change_waiting(waiting, job="")
    slurm.answer("squeue", row())
    update_waiting([waiting])
    assert waiting.state().status == "failed"
    assert "squeue --me" in waiting.state().reason


def test_a_run_that_a_process_owns_is_left_alone(slurm: FakeSlurm, waiting: RunFolder) -> None:
    slurm.answer("squeue", row())
    writer = RunWriter(waiting)
    update_waiting([waiting])
    writer.close()
    assert reason(waiting) == ""


def test_a_killed_run_whose_job_waits_again_is_queued(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folder = write_run("killed", status="running", dead=True)
    change_state(folder, lambda state: structs.replace(state, slurm=SlurmJob(id="12", since=7)))
    slurm.answer("squeue", row(reason="BeginTime"))
    assert waiting_runs([(folder, folder.state())]) == [folder]
    update_waiting([folder])
    state = folder.state()
    assert shown_status(state) == "queued"
    assert state.slurm == SlurmJob(id="12", since=7)
    assert "(BeginTime)" in reason(folder)


@pytest.fixture
def killed(write_run: WriteRun) -> RunFolder:
    """A run that job 12 trained until it was killed."""
    folder = write_run("killed", status="running", dead=True)
    change_state(folder, lambda state: structs.replace(state, slurm=SlurmJob(id="12", cluster="fake")))
    return folder


@pytest.mark.parametrize(
    ("listed", "accounted", "status", "said"),
    [
        (row("OUT_OF_MEMORY", "OutOfMemory"), "", "failed", "ended: OUT_OF_MEMORY OutOfMemory. Continue it:"),
        (row("COMPLETING"), "", "interrupted", ""),
        (row("RUNNING"), "", "interrupted", ""),
        ("", "12|TIMEOUT\n", "failed", "Slurm job 12 ended: TIMEOUT. Continue it: tuitrain submit --resume"),
        ("", "12|CANCELLED by 1000\n", "stopped", "Slurm job 12 was cancelled."),
        ("", "12|\x1b[2J\n", "interrupted", ""),
        ("", "12|REQUEUED\n", "interrupted", ""),
        ("", "", "failed", "Slurm job 12 ended, and Slurm no longer knows why."),
    ],
)
def test_slurm_says_why_a_run_was_killed(
    slurm: FakeSlurm, killed: RunFolder, listed: str, accounted: str, status: str, said: str
) -> None:
    slurm.answer("squeue", listed)
    slurm.answer("sacct", accounted)
    update_waiting([killed])
    assert shown_status(killed.state()) == status
    assert said in killed.state().reason
    assert len(slurm.calls("sacct")) == (not listed)


def test_a_run_that_was_killed_on_another_cluster_stays_as_it_is(slurm: FakeSlurm, killed: RunFolder) -> None:
    slurm.answer("scontrol", "ClusterName = other")
    update_waiting([killed])
    assert shown_status(killed.state()) == "interrupted"


@pytest.mark.usefixtures("no_slurm")
def test_a_copy_of_a_killed_run_asks_no_slurm_where_there_is_none(killed: RunFolder, waiting: RunFolder) -> None:
    update_waiting([killed])
    with pytest.raises(SlurmError, match="squeue is not on this machine"):
        update_waiting([killed, waiting])


def test_a_slow_slurm_does_not_block_who_looks(slurm: FakeSlurm, waiting: RunFolder, tmp_path: Path) -> None:
    release = tmp_path / "release"
    slurm.answer("squeue", row(), before=f"while [ ! -e {release} ]; do /bin/sleep 0.05; done")
    watcher = SlurmWatch()
    for _ in range(3):
        watcher.look(lambda: [waiting])
    assert reason(waiting) == ""
    release.touch()
    assert watcher._thread is not None
    watcher._thread.join(60)
    assert "(Resources)" in reason(waiting)
    watcher.look(lambda: [waiting])
    assert len(slurm.calls("squeue")) == 1


def test_the_watch_says_why_slurm_did_not_answer(
    slurm: FakeSlurm, waiting: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.0)
    slurm.answer("squeue", "", 1, error="squeue: error: no controller\n")
    watcher = SlurmWatch()
    for problem in ("squeue failed: no controller.", ""):
        watcher.look(lambda: [waiting])
        assert watcher._thread is not None
        watcher._thread.join(60)
        assert watcher.problem == problem
        slurm.answer("squeue", row())


@pytest.mark.usefixtures("no_slurm")
def test_without_waiting_runs_nothing_is_asked(write_run: WriteRun) -> None:
    folder = write_run("mine", status="running")
    watcher = SlurmWatch()
    watcher.look(lambda: waiting_runs([(folder, folder.state())]))
    assert watcher._thread is None


def test_variables_of_the_user_hide_no_job(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    slurm.answer("squeue", "", before='[ -z "$SQUEUE_PARTITION" ] || exit 1')
    assert client.my_jobs() == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1-02:03:04", 93784.0), ("2:03:04", 7384.0), ("03:04", 184.0), ("UNLIMITED", None), ("365-00:00:00", None)],
)
def test_times_left(text: str, seconds: float | None) -> None:
    assert client.parse_duration(text) == seconds


def test_commands_ask_slurm_before_they_print(
    slurm: FakeSlurm, waiting: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.answer("squeue", row())
    options = parse(["show", str(waiting.path)])
    options.run(options)
    assert "Slurm job 12: the nodes are busy (Resources)" in capsys.readouterr().out.splitlines()
    slurm.answer("squeue", row("CANCELLED", end=LONG_AGO))
    monkeypatch.setattr("gc.disable", lambda: None)
    options = parse(["runs", str(waiting.path.parent)])
    options.run(options)
    assert "stopped" in capsys.readouterr().out
    wait(waiting, Waiting(by="slurm", since=0.0, job="12"))
    slurm.answer("squeue", "", 1, error="squeue: error: no controller\n")
    options.run(options)
    printed = capsys.readouterr()
    assert "queued" in printed.out
    assert "may be old: squeue failed: no controller." in printed.err
