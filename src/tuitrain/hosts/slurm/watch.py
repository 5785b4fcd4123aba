"""Keep the records of runs that wait for Slurm up to date while somebody looks at them."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.hosts.slurm.client import (
    ENDED,
    Listed,
    SlurmError,
    accounted_states,
    cluster_name,
    has_slurm,
    my_jobs,
)
from tuitrain.hosts.slurm.reasons import describe
from tuitrain.hosts.subprocesses import last_line
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State, Waiting
from tuitrain.runs.slurm import change_waiting, end_lost, is_lost, waits_for_slurm
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.waiting import end_waiting, wait
from tuitrain.text import plain

# Seconds between two questions to Slurm: usually, and when nobody has pressed a key for `IDLE_AFTER` seconds.
INTERVAL, IDLE_INTERVAL, IDLE_AFTER = 15.0, 300.0, 600.0
# Seconds between two searches for runs that wait.
RUNS_INTERVAL = 1.0
# Seconds after the end of a job in which this machine may still see an old state of its run, over NFS.
SETTLED = 60.0
# Seconds that a submission may take.
SUBMISSION = 600.0


class SlurmWatch:
    """Asks Slurm in a thread, because a busy controller takes seconds to answer; only when `look` is called, and at
    most once per `INTERVAL`. `problem` says why Slurm did not answer the last question."""

    def __init__(self) -> None:
        self.problem = ""
        self._created = time.monotonic()
        self._next = self._created
        self._thread: threading.Thread | None = None

    def look(self, waiting: Callable[[], Sequence[RunFolder | SweepFolder]], idle: float = 0.0) -> None:
        """Update the records of the runs and sweeps in `waiting` for Slurm, if it is time. `idle` is the number of
        seconds since the user pressed a key."""
        now = time.monotonic()
        if now < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        found = waiting()
        if not found:
            self._next = now + RUNS_INTERVAL
            return
        self._next = now + (INTERVAL if min(idle, now - self._created) < IDLE_AFTER else IDLE_INTERVAL)
        self._thread = threading.Thread(target=self._update, args=(found,), name="slurm", daemon=True)
        self._thread.start()

    def _update(self, waiting: Sequence[RunFolder | SweepFolder]) -> None:
        try:
            update_waiting(waiting)
            self.problem = ""
        except SlurmError as error:
            self.problem = error.message


def update_waiting(waiting: Sequence[RunFolder | SweepFolder]) -> None:
    """Ask Slurm once about all runs and sweeps, and record why they wait or that their job has ended. Skip those of
    other users and clusters, and runs that were killed on a machine without Slurm. Raise SlurmError if Slurm does not
    answer. Then no record changes; if only its accounting does not answer, the runs whose jobs squeue no longer lists
    keep their records."""
    # Runs that were killed may have been copied here from a cluster.
    if not waiting or not (has_slurm() or any(map(_waits, waiting))):
        return
    asked, cluster = time.time(), cluster_name()
    jobs = my_jobs()
    by_id = {job.id: job for job in jobs}
    unlisted: list[tuple[RunFolder, State]] = []
    for folder in waiting:
        # A run that its job starts at this moment, or that cannot be read, has nothing to record.
        with suppress(RunError, OSError):
            if folder.path.stat().st_uid != os.getuid():
                continue
            if isinstance(folder, SweepFolder):
                _update_sweep(folder, jobs, cluster, asked - SETTLED)
            elif state := _update_run(folder, by_id, cluster, asked):
                unlisted.append((folder, state))
    _end_unlisted(unlisted)


def _waits(folder: RunFolder | SweepFolder) -> bool:
    with suppress(RunError):
        return isinstance(folder, SweepFolder) or waits_for_slurm(folder.state()) is not None
    return False


def _update_run(folder: RunFolder, jobs: dict[str, Listed], cluster: str, asked: float) -> State | None:
    """Record why a run waits or that its job has ended. Return the run's state if squeue no longer lists the job."""
    state = folder.state()
    waiting = waits_for_slurm(state)
    if waiting is None:
        return _update_lost(folder, state, jobs, cluster, asked)
    if waiting.cluster not in ("", cluster):
        return None
    if not waiting.job:
        if waiting.since < asked - SUBMISSION:
            end_waiting(folder, "slurm", "failed", "The submission was interrupted. Look for its job with: squeue --me")
    elif (job := jobs.get(waiting.job)) is not None and job.state not in ENDED:
        if describe(job) != waiting.reason:
            change_waiting(folder, reason=describe(job))
    elif max(waiting.since, _end(job)) < asked - SETTLED:
        if job is None:
            return state
        _record_end(folder, waiting, f"{job.state} {job.reason}")
    return None


def _update_lost(folder: RunFolder, state: State, jobs: dict[str, Listed], cluster: str, asked: float) -> State | None:
    """Record that Slurm has requeued the job of a run that was killed, or how the job ended. Return the run's state if
    squeue no longer lists the job."""
    if state.slurm is None or state.slurm.cluster not in ("", cluster) or not is_lost(state):
        return None
    job = jobs.get(state.slurm.id)
    if job is None:
        return state
    if job.state == "PENDING":
        wait(folder, Waiting(by="slurm", since=asked, job=job.id, reason=describe(job), cluster=cluster))
    elif job.state in ENDED:
        _record_lost(folder, job.id, f"{job.state} {job.reason}")
    return None


def _record_lost(folder: RunFolder, job: str, how: str) -> None:
    """Record how the job of a run that was killed ended; `how` is empty if Slurm does not know the job."""
    name = f"Slurm job {plain(job, 60)}"
    if how.startswith("CANCELLED"):
        end_lost(folder, "stopped", f"{name} was cancelled.")
        return
    ended = f"ended: {how}." if how else "ended, and Slurm no longer knows why."
    end_lost(folder, "failed", f"{name} {ended} Continue it: tuitrain submit --resume {plain(folder.id)}")


def _end(job: Listed | None) -> float:
    with suppress(ValueError):
        if job is not None and job.end:
            return datetime.fromisoformat(job.end).timestamp()
    return 0.0


def _end_unlisted(unlisted: list[tuple[RunFolder, State]]) -> None:
    """Ask accounting once how the jobs that squeue no longer lists ended, and record it."""
    states = accounted_states(_job(state) for _, state in unlisted)
    for folder, state in unlisted:
        how = states.get(_job(state), "")
        if how and how.partition(" ")[0] not in ENDED:
            continue
        with suppress(RunError, OSError):
            if (waiting := waits_for_slurm(state)) is None:
                _record_lost(folder, _job(state), how)
            # The run may have been submitted again while accounting was slow.
            elif waits_for_slurm(folder.state()) == waiting:
                _record_end(folder, waiting, how)


def _job(state: State) -> str:
    """Return the job that the run waits for, or that trained it last."""
    if waiting := waits_for_slurm(state):
        return waiting.job
    return state.slurm.id if state.slurm else ""


def _record_end(folder: RunFolder, waiting: Waiting, how: str) -> None:
    """Record that a job ended before it trained the run; `how` is empty if Slurm does not know the job."""
    name, resume = f"Slurm job {waiting.job}", f"Submit it again: tuitrain submit --resume {plain(folder.id)}"
    status: Literal["stopped", "failed"] = "stopped" if how.startswith("CANCELLED") else "failed"
    if status == "stopped":
        reason = f"{name} was cancelled before it trained the run."
    elif not how:
        reason = f"{name} never trained the run, and Slurm no longer knows it. {resume}"
    else:
        printed = last_line(folder.log_file)
        reason = f"{name} ended before it trained the run: {how}{f' ({printed})' if printed else ''}. {resume}"
    end_waiting(folder, "slurm", status, reason)


def _update_sweep(folder: SweepFolder, jobs: list[Listed], cluster: str, asked: float) -> None:
    """Record why no worker of the array has started, or remove the record if none will start."""
    submission = folder.submission()
    if submission is None or submission.cluster not in ("", cluster):
        return
    tasks = [job for job in jobs if job.array == submission.job and job.state not in ENDED]
    if tasks:
        reason = describe(tasks[0])
        if reason != submission.reason:
            folder.write_submission(structs.replace(submission, reason=reason))
    elif submission.since < asked:
        folder.write_submission(None)
