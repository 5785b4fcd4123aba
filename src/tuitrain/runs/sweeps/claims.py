"""Claim the jobs of a sweep for one process at a time, by owner files like those of runs."""

import platform
from pathlib import Path

from tuitrain.runs import owner
from tuitrain.runs.process import Process
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job


def claim_job(sweep: SweepFolder, job: Job) -> None:
    """Make this process the owner of the job. Raises OwnedError if another process owns it, and RunError if the owner
    file cannot be written."""
    sweep.check_own_files()
    owner.claim_file(_owner_file(sweep, job), lambda: sweep.run(job))


def release_job(sweep: SweepFolder, job: Job) -> None:
    owner.release_file(_owner_file(sweep, job))


def job_owner(sweep: SweepFolder, job: Job) -> Process | None:
    """Return the process that owns the job, or None if there is none or it no longer exists."""
    found = owner.read_owner(_owner_file(sweep, job))
    return found.process if found is not None and owner.is_alive(found, lambda: sweep.run(job)) else None


def abandoned_jobs(sweep: SweepFolder, pid: int) -> list[Job]:
    """Return the jobs that an ended process of this machine still owned."""
    owners = ((job, owner.read_owner(_owner_file(sweep, job))) for job in sweep.jobs())
    return [
        job
        for job, found in owners
        if found is not None and found.process.pid == pid and found.process.host == platform.node()
    ]


def _owner_file(sweep: SweepFolder, job: Job) -> Path:
    return sweep.path / "jobs" / f"{job.key}.owner"
