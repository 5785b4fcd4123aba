"""Say where a run trains in Slurm."""

import time

from tuitrain.analysis import units
from tuitrain.runs.records import State
from tuitrain.text import plain


def job_line(state: State) -> str:
    """Return the Slurm job of a run that trains, such as `Slurm job 12 on gpu07 · 1 h 20 min until its limit`; an empty
    string for any other run."""
    job = state.slurm
    if job is None or state.waiting is not None or not state.active:
        return ""
    where = f" on {plain(job.node, 30)}" if job.node else ""
    left = "" if job.ends is None else f" · {units.duration(max(0.0, job.ends - time.time()))} until its limit"
    return f"Slurm job {plain(job.id, 30)}{where}{left}"
