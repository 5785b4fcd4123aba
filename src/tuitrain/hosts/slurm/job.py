"""Train a run in a Slurm job: save before the time limit or a preemption, and let Slurm start the job again."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Literal, TypeVar

from msgspec import Struct, structs

from tuitrain.errors import RunError
from tuitrain.hosts.slurm.client import JOB_ID, SlurmError, call, seconds_left
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.process import SILENCE
from tuitrain.runs.records import ACTIVE, SlurmJob, State, Waiting
from tuitrain.runs.waiting import change_state, record_end, wait
from tuitrain.runs.writer import RunWriter, log_line
from tuitrain.text import plain

T = TypeVar("T")
# Seconds to wait while another process owns the run: it may only look at it, or it was killed on another node.
OWNED_SECONDS, RETRY = SILENCE + 30.0, 0.5
NO_PROGRESS = (
    "Slurm job {} was requeued twice without completing a step. Give it more time, with: tuitrain submit --resume {} "
    '--sbatch "--time=…"'
)


class ThisJob(Struct, frozen=True):
    """The Slurm job of this process, such as 12, or 12_3 in an array; `restarts` counts how often Slurm has started it
    again."""

    id: str
    node: str
    restarts: int

    @classmethod
    def read(cls) -> "ThisJob":
        """Read the variables that Slurm sets. Raise RunError if this process does not belong to a job."""
        id, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT", "0")
        array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        if array and task:
            # One task has the number of the array, which would mean all tasks.
            id = f"{array}_{task}"
        if not JOB_ID.fullmatch(id):
            raise RunError("This process does not belong to a Slurm job.", "Submit the run with: tuitrain submit")
        node = os.environ.get("SLURMD_NODENAME", "")
        return cls(id, plain(node, 60), int(restarts) if restarts.isdecimal() else 0)


def train_in_job(
    folder: RunFolder,
    epochs: int | None,
    since: int | None,
    train: Callable[[Inbox, int | None], State],
    on_end: Callable[[State], None],
) -> State:
    """Train the run by `train(inbox, epochs)` and return its state. When the job starts for the first time, it reads
    commands from byte `since` of the control file. Call `on_end` if the run ends without `train`.

    When Slurm asks the job to end, save the run and requeue the job, unless the user has cancelled it, or the run is
    paused, or it has made no progress since it was last requeued: then the run ends.
    """
    inbox = Inbox(folder, since)
    handle_signals(lambda: inbox.put("detach"), lambda: inbox.put("stop"))
    job = ThisJob.read()
    state = folder.state()
    if not _is_mine(state, job):
        say(f"the run is {shown_status(state)}: Slurm job {job.id} has nothing to do")
        return state
    record = state.slurm if state.slurm and state.slurm.id == job.id else SlurmJob(id=job.id, since=inbox.read_to)
    inbox.read_to = record.since
    if record.requeued_at is not None or epochs == state.epochs:
        epochs = None  # The checkpoint contains them.
    left = seconds_left(job.id)
    ends = None if left is None else time.time() + left
    record = structs.replace(record, cluster=cluster_of_job(), node=job.node, ends=ends)
    retry_owned(lambda: change_state(folder, lambda state: structs.replace(state, slurm=record)), inbox.leaving)
    state = retry_owned(lambda: train(inbox, epochs), inbox.leaving)
    if state.status == "queued":
        state = _leave(folder, job, inbox)
        on_end(state)
    return state


def handle_signals(leave: Callable[[], None], stop: Callable[[], None]) -> None:
    """Call `leave` when Slurm announces the end of the job, and `stop` on SIGINT."""
    actions = {signal.SIGUSR1: leave, signal.SIGTERM: leave, signal.SIGINT: stop}

    def act(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        actions[signal.Signals(number)]()

    for number in actions:
        signal.signal(number, act)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _is_mine(state: State, job: ThisJob) -> bool:
    """Return whether the run waits for this job, or this job trained it until it was killed."""
    if state.waiting is not None:
        return state.waiting.by == "slurm" and state.waiting.job in ("", job.id)
    return state.status in ACTIVE and state.slurm is not None and state.slurm.id == job.id


def retry_owned(
    action: Callable[[], T], leaving: Callable[[], bool] = lambda: False, seconds: float = OWNED_SECONDS
) -> T:
    """Call `action` again while another process owns the run, for up to `seconds` and until `leaving`. Raise OwnedError
    if it still does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except OwnedError:
            if time.monotonic() > deadline or leaving():
                raise
            time.sleep(RETRY)


def _leave(folder: RunFolder, job: ThisJob, inbox: Inbox) -> State:
    """Requeue the job of a run that was saved, or end the run; return its state."""
    state, ending = folder.state(), ending_of(job)
    record = structs.replace(state.slurm or SlurmJob(id=job.id), since=inbox.read_to, ends=None)
    if ending == "cancelled":
        return _end(folder, "stopped", f"Slurm job {job.id} was cancelled.")
    if state.phase == "paused":
        return _end(folder, "stopped", f"Slurm ended job {job.id} while the run was paused.")
    if record.requeued_at is not None and state.step <= record.requeued_at:
        return _end(folder, "failed", NO_PROGRESS.format(job.id, plain(folder.id)))
    reason = f"requeued at step {state.step:,}"
    record = structs.replace(record, requeued_at=state.step)
    waiting = Waiting(by="slurm", since=time.time(), job=job.id, reason=reason, cluster=cluster_of_job())
    retry_owned(lambda: wait(folder, waiting, slurm=record))
    say(f"Slurm job {job.id} is requeued at step {state.step:,}")
    if problem := requeue(job) if ending == "ending" else "":
        remedy = f"Resume the run with: tuitrain submit --resume {plain(folder.id)}"
        return _end(folder, "failed", f"Slurm job {job.id} ended and was not requeued: {problem} {remedy}")
    return folder.state()


def cluster_of_job() -> str:
    return plain(os.environ.get("SLURM_CLUSTER_NAME", ""), 60)


def ending_of(job: ThisJob) -> Literal["ending", "cancelled", "requeued"]:
    """Return why Slurm ends this job: `cancelled` by the user or an administrator, `requeued` by Slurm, which starts it
    again, or `ending` at its time limit or for a job that preempts it."""
    # A job that is being preempted has the state and the reason of a cancelled one.
    form = "--Format=RestartCnt:12,State:20,Reason:40,PreemptTime:24"
    try:
        answer = call("squeue", f"--jobs={job.id}", "--noheader", form).split()
        restarts, state, reason, preempted = int(answer[0]), answer[1], answer[2], answer[-1][0].isdigit()
    except (SlurmError, IndexError, ValueError):
        return "ending"
    if restarts > job.restarts:
        return "requeued"
    ended = state in ("COMPLETING", "CANCELLED")
    return "cancelled" if ended and reason != "TimeLimit" and not preempted else "ending"


def requeue(job: ThisJob) -> str:
    """Make Slurm start the job again; return why it refuses, or an empty string."""
    # Slurm ends this process at once: the run is saved.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    try:
        call("scontrol", "requeue", job.id)
    except SlurmError as error:
        return str(error)
    return ""


def _end(folder: RunFolder, status: Literal["stopped", "failed"], reason: str) -> State:
    writer = retry_owned(lambda: RunWriter(folder))
    try:
        record_end(writer, status, reason)
    finally:
        writer.close()
    return writer.state


def say(line: str) -> None:
    """Print a line for the log of the run, to which Slurm appends the output of the job."""
    print(log_line(line), end="", flush=True)  # noqa: T201
