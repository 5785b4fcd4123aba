"""Stop runs that were submitted to Slurm."""

import os
import time
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.hosts.slurm.client import JOB_ID, SlurmError, call, command_of
from tuitrain.hosts.slurm.script import SCRIPT
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.slurm import waits_for_slurm
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.waiting import end_waiting
from tuitrain.text import plain

# Seconds in which the training loop must stop by itself, and between two reads of its state.
STOP_SECONDS, POLL = 60.0, 0.2
CANCELLED = "Cancelled before Slurm started it."


def in_slurm(folder: RunFolder) -> bool:
    """Return whether the run waits for Slurm, or trains in a job of it."""
    state = folder.state()
    return waits_for_slurm(state) is not None or (state.slurm is not None and state.active)


def stop(folder: RunFolder, seconds: float = STOP_SECONDS) -> str:
    """Stop a run in Slurm and return what happened. A run that waits is cancelled; one that trains saves a checkpoint,
    and its job is cancelled if it has not stopped after `seconds`. Raise RunError if neither succeeds."""
    # The loop obeys this command also if the job starts at this moment.
    send(folder, "stop")
    state = folder.state()
    if (waiting := waits_for_slurm(state)) is not None:
        cancel_job(folder.path, waiting.job)
        try:
            if end_waiting(folder, "slurm", "stopped", CANCELLED):
                return f"cancelled Slurm job {waiting.job}"
        except OwnedError:
            pass
    deadline = time.monotonic() + seconds
    while (state := folder.state()).active:
        if time.monotonic() > deadline and state.slurm is not None:
            cancel_job(folder.path, state.slurm.id)
            return f"the run did not stop within {seconds:g} s: cancelled Slurm job {state.slurm.id}"
        time.sleep(POLL)
    return f"the run is {state.status}"


def cancel_job(folder: Path, job: str, *options: str) -> None:
    """Cancel the job of the run or sweep in `folder`, unless the job has ended; `options` are those of scancel. Raise
    RunError if the job is not one of this folder, which may come from anyone, or if Slurm does not cancel it."""
    if not job:
        return
    if not JOB_ID.fullmatch(job):
        raise RunError(f"{plain(job, 60)!r} is not the id of a Slurm job.")
    try:
        script = command_of(job)
    except SlurmError as error:
        if "nvalid job id" in error.message:
            return
        raise
    if (folder / SCRIPT).is_symlink() or _place(script) != _place(folder / SCRIPT):
        raise RunError(f"Slurm job {job} does not train {plain(folder.name)}, so it is not cancelled.")
    call("scancel", *options, job)


def _place(script: str | Path) -> Path:
    """Return the path of a script in the folder of a run or sweep. Follow only links to the folder that contains the
    run: any other link could lead from a run from elsewhere to the script of one of your runs."""
    path = Path(os.path.abspath(script))  # noqa: PTH100
    return Path(os.path.realpath(path.parent.parent), path.parent.name, path.name)


def cancel_submission(folder: SweepFolder) -> None:
    """Cancel the jobs of the array that have not started; those that train stop by themselves, with a checkpoint."""
    submission = folder.submission()
    if submission is not None:
        cancel_job(folder.path, submission.job, "--state=PENDING")
        folder.write_submission(None)
