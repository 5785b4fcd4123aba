"""Submit a sweep to Slurm as a job array of workers, and follow the array until it starts."""

import time
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.hosts.slurm import client
from tuitrain.hosts.slurm.script import check_options, removed_if_refused, sbatch_options, write_script
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.trust import sweep_code, sweep_key
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs
from tuitrain.runs.sweeps.records import Submission

# The workers of a sweep from the form; Slurm starts as many as it has room for.
SWEEP_WORKERS = 8


def submit_sweep(folder: SweepFolder, workers: int, sbatch: str = "", allowed_key: str = "") -> str:
    """Submit an array of up to `workers` jobs, no more than the sweep has open runs; return its id. Each trains runs
    until none is left. `allowed_key` is the `sweep_key` of allowed code. Raise RunError if Slurm refuses the array."""
    check_options(sbatch)
    folder.check_own_files()
    waiting = len(open_jobs(folder, SweepIndex(folder).refresh()))
    if not waiting:
        raise RunError("The sweep has no run that waits for a worker.", "Add trials with --add, or seeds with --seeds.")
    workers = min(workers, waiting)
    # A worker that starts after a later stop command ends at once.
    arguments = ["sweep-work", str(folder.path.absolute()), "--slurm", str(folder.control().stopped)]
    stack = min(folder.sweep().options.stack, -(-waiting // workers))
    arguments += ["--stack", str(stack)] if stack > 1 else []
    arguments += ["--allowed", allowed_key] if allowed_key else []
    name = f"sweep {folder.sweep().name}"
    options = sbatch_options(folder.path, "slurm-%a.txt", name, sbatch, (f"--array=1-{workers}",))
    job = client.submit(options, write_script(folder.path, arguments))
    cluster = job.cluster or client.cluster_name()
    folder.write_submission(Submission(job.id, time.time(), cluster, "submitted"))
    return job.id


def submit_new_sweep(runs_dir: Path, text: str, workers: int) -> SweepFolder:
    """Create a sweep from the text of its TOML file, whose code the user has typed or allowed, and submit it. Raise
    TuitrainError if either fails; if Slurm refuses the array, there is no sweep."""
    check_options("")
    folder = start_new_sweep(runs_dir, text)
    with removed_if_refused(folder.path):
        submit_sweep(folder, workers, allowed_key=sweep_key(sweep_code(folder.sweep())))
    return folder
