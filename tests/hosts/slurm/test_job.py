"""What a job does with its run when Slurm ends it, with a scripted Slurm and without training."""

import signal
from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

from fake_slurm import FakeSlurm
from tuitrain.errors import RunError
from tuitrain.hosts.slurm import job
from tuitrain.hosts.slurm.job import train_in_job
from tuitrain.runs.control import Inbox, send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.process import this_process
from tuitrain.runs.records import SlurmJob, State, Waiting
from tuitrain.runs.waiting import change_state, wait
from tuitrain.runs.writer import RunWriter, encode_pretty

WriteRun = Callable[..., RunFolder]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    numbers = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def run(slurm: FakeSlurm, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of 60 steps that waits for job 12, which this process is."""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURMD_NODENAME", "gpu07")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    slurm.answer("squeue", "0           RUNNING             None        N/A\n")
    folder = write_run("mine", status="stopped")
    wait(folder, Waiting(by="slurm", since=0.0, job="12"))
    return folder


class Training:
    """Stands in for the loop: saves the run at `step` because Slurm ends the job, or ends it with `status`."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.inbox: Inbox | None = None
        self.epochs: int | None = None
        self.commands: list[str] = []
        self.ended: list[State] = []

    def __call__(self, step: int, status: str = "queued", epochs: int | None = None, **changes: str) -> State:
        def train(inbox: Inbox, epochs: int | None) -> State:
            self.inbox, self.epochs = inbox, epochs
            self.commands = [command.name for command in inbox.new()]
            writer = RunWriter(self.folder)
            writer.update(step=step, status=status, now=True, **changes)
            writer.close()
            return writer.state

        return train_in_job(self.folder, epochs, 0, train, self.ended.append)


def requeues(slurm: FakeSlurm) -> int:
    return sum(call.startswith("requeue 12") for call in slurm.calls("scontrol"))


def test_a_run_is_requeued_and_reads_commands_from_where_it_left(slurm: FakeSlurm, run: RunFolder) -> None:
    send(run, "lr", 0.5)
    training = Training(run)
    training(70)
    assert training.commands == ["lr"]
    state = run.state()
    assert shown_status(state) == "queued"
    assert state.waiting is not None
    assert (state.waiting.job, state.waiting.reason) == ("12", "requeued at step 70")
    assert requeues(slurm) == 1
    size = run.control_file.stat().st_size
    assert state.slurm == SlurmJob(id="12", node="gpu07", ends=None, since=size, requeued_at=70)
    # The next start of the job.
    send(run, "pause")
    training(80, epochs=9)
    assert (training.epochs, training.commands) == (None, ["pause"])
    assert requeues(slurm) == 2


def test_a_run_without_progress_is_not_requeued_again(slurm: FakeSlurm, run: RunFolder) -> None:
    training = Training(run)
    training(60)
    assert shown_status(run.state()) == "queued"
    training(60)
    state = run.state()
    assert state.status == "failed"
    assert "was requeued twice without completing a step. Give it more time" in state.reason
    assert [ended.status for ended in training.ended] == ["queued", "failed"]
    assert requeues(slurm) == 1
    # Slurm may start the job again by itself.
    assert Training(run)(99).status == "failed"
    assert run.state().step == 60


@pytest.mark.parametrize(
    ("answer", "status", "requeued"),
    [
        ("0 COMPLETING TimeLimit N/A\n", "queued", 1),
        ("0 COMPLETING None 2026-11-30T20:51:49\n", "queued", 1),  # Preempted.
        ("0 SIGNALING None N/A\n", "queued", 1),
        ("1 COMPLETING None N/A\n", "queued", 0),
        ("1 PENDING BeginTime N/A\n", "queued", 0),
        ("0 COMPLETING None N/A\n", "stopped", 0),
        ("odd\n", "queued", 1),
        ("", "queued", 1),
    ],
)
def test_what_slurm_says_decides_how_a_job_ends(
    slurm: FakeSlurm, run: RunFolder, answer: str, status: str, requeued: int
) -> None:
    slurm.answer("squeue", answer)
    Training(run)(70)
    assert (run.state().status, requeues(slurm)) == (status, requeued)
    assert run.state().reason == ("Slurm job 12 was cancelled." if status == "stopped" else "")


def test_a_refused_requeue_is_a_failure_that_can_be_resumed(slurm: FakeSlurm, run: RunFolder) -> None:
    slurm.answer("scontrol", "", 1, error="Requeue of job 12 is disabled\n")
    Training(run)(70)
    state = run.state()
    assert (state.status, state.waiting) == ("failed", None)
    assert "was not requeued: scontrol failed: Requeue of job 12 is disabled." in state.reason
    assert f"tuitrain submit --resume {run.id}" in state.reason


def test_a_paused_run_stops(slurm: FakeSlurm, run: RunFolder) -> None:
    Training(run)(70, phase="paused")
    assert (run.state().status, requeues(slurm)) == ("stopped", 0)
    assert "while the run was paused" in run.state().reason


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_a_run_that_ends_by_itself_is_left_alone(slurm: FakeSlurm, run: RunFolder, status: str) -> None:
    training = Training(run)
    assert training(70, status).status == status
    assert (training.ended, requeues(slurm)) == ([], 0)


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_a_job_has_nothing_to_do_with_a_run_that_does_not_wait_for_it(
    run: RunFolder, status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change_state(run, lambda state: structs.replace(state, status=status, waiting=None))
    before = run.state()
    training = Training(run)
    training(70)
    assert (training.inbox, run.state()) == (None, before)
    assert f"the run is {status}: Slurm job 12 has nothing to do" in capsys.readouterr().out


def test_a_job_leaves_a_run_that_waits_for_another_job(run: RunFolder) -> None:
    change_state(run, lambda state: structs.replace(state, waiting=Waiting(by="slurm", since=0.0, job="13")))
    training = Training(run)
    training(70)
    assert training.inbox is None


def test_a_job_that_was_killed_continues_its_run(run: RunFolder) -> None:
    """Slurm starts the job again after the failure of a node, where nobody could save the run."""
    gone = structs.replace(this_process(), born=1.0)
    killed = structs.replace(
        run.state(), status="running", waiting=None, process=gone, slurm=SlurmJob(id="12", since=3)
    )
    run.state_file.write_bytes(encode_pretty(killed))
    training = Training(run)
    training(70)
    assert training.inbox is not None
    assert run.state().step == 70


def test_a_job_waits_for_a_process_that_looks_at_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "RETRY", 0.0)
    refusals = iter([True, True, False])

    def begin() -> str:
        if next(refusals):
            raise OwnedError("owned")
        return "begun"

    assert job.retry_owned(begin) == "begun"
    with pytest.raises(OwnedError):
        job.retry_owned(lambda: (_ for _ in ()).throw(OwnedError("owned")), lambda: True)


def test_signals_of_slurm_save_the_run(run: RunFolder) -> None:
    names: list[str] = []

    def train(inbox: Inbox, _: int | None) -> State:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        names.extend(command.name for command in inbox.new())
        return structs.replace(run.state(), status="finished")

    train_in_job(run, None, 0, train, lambda _: None)
    assert names == ["detach", "detach", "stop"]


def test_the_time_limit_of_the_job_is_recorded(slurm: FakeSlurm, run: RunFolder) -> None:
    slurm.answer("squeue", "1:00:00\n")
    Training(run)(70, "finished")
    record = run.state().slurm
    assert record is not None
    assert record.ends is not None
    assert record.node == "gpu07"


def test_a_run_that_trains_elsewhere_has_no_job(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    Training(run)(70)
    monkeypatch.delenv("SLURM_JOB_ID")
    RunWriter(run).close()
    writer = RunWriter(run)
    assert writer.state.slurm is None
    writer.close()
    with pytest.raises(RunError, match="does not belong to a Slurm job"):
        Training(run)(70)
