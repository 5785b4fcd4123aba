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
from tuitrain.hosts.slurm.client import ENDED, Listed, SlurmError, accounted_states, cluster_name, my_jobs
from tuitrain.hosts.slurm.reasons import describe
from tuitrain.hosts.subprocesses import last_line
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Waiting
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
# The states of a job that Slurm ended before it could save its run.
KILLED = ("DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
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
    other users and clusters. Raise SlurmError if Slurm does not answer. Then no record changes; if only its accounting
    does not answer, the runs whose jobs squeue no longer lists keep their records."""
    if not waiting:
        return
    asked, cluster = time.time(), cluster_name()
    jobs = my_jobs()
    by_id = {job.id: job for job in jobs}
    unlisted: list[tuple[RunFolder, Waiting]] = []
    for folder in waiting:
        # A run that its job starts at this moment, or that cannot be read, has nothing to record.
        with suppress(RunError, OSError):
            if folder.path.stat().st_uid != os.getuid():
                continue
            if isinstance(folder, SweepFolder):
                _update_sweep(folder, jobs, cluster, asked - SETTLED)
            elif record := _update_run(folder, by_id, cluster, asked):
                unlisted.append((folder, record))
    _end_unlisted(unlisted)


def _update_run(folder: RunFolder, jobs: dict[str, Listed], cluster: str, asked: float) -> Waiting | None:
    """Record why a run waits or that its job has ended. Return the run's record if squeue no longer lists the job."""
    state = folder.state()
    waiting = waits_for_slurm(state)
    if waiting is None:
        job = jobs.get(state.slurm.id) if state.slurm and is_lost(state) else None
        if job is not None and job.state == "PENDING":
            record = Waiting(by="slurm", since=asked, job=job.id, reason=describe(job), cluster=cluster)
            wait(folder, record)
        elif job is not None and job.state in KILLED:
            # The killed process could not record the reason.
            resume = f"Continue it: tuitrain submit --resume {plain(folder.id)}"
            end_lost(folder, f"Slurm job {job.id} ended: {job.state} {job.reason}. {resume}")
    elif waiting.cluster not in ("", cluster):
        return None
    elif not waiting.job:
        if waiting.since < asked - SUBMISSION:
            end_waiting(folder, "slurm", "failed", "The submission was interrupted. Look for its job with: squeue --me")
    elif (job := jobs.get(waiting.job)) is not None and job.state not in ENDED:
        if describe(job) != waiting.reason:
            change_waiting(folder, reason=describe(job))
    elif max(waiting.since, _end(job)) < asked - SETTLED:
        if job is None:
            return waiting
        _record_end(folder, waiting, f"{job.state} {job.reason}")
    return None


def _end(job: Listed | None) -> float:
    with suppress(ValueError):
        if job is not None and job.end:
            return datetime.fromisoformat(job.end).timestamp()
    return 0.0


def _end_unlisted(unlisted: list[tuple[RunFolder, Waiting]]) -> None:
    """Ask accounting once how the jobs that squeue no longer lists ended, and record it."""
    states = accounted_states(waiting.job for _, waiting in unlisted)
    for folder, waiting in unlisted:
        how = states.get(waiting.job, "")
        if how and how.partition(" ")[0] not in ENDED:
            continue
        with suppress(RunError, OSError):
            # The run may have been submitted again while accounting was slow.
            if waits_for_slurm(folder.state()) == waiting:
                _record_end(folder, waiting, how)


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
