"""Join a run from the other nodes of a Slurm job."""

import os
import subprocess
from collections.abc import Callable

import psutil

from tuitrain.hosts.slurm.client import SlurmError
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

# Slurm sends SIGTERM to all processes of a job that it preempts or requeues, and srun then kills its tasks before the
# run is saved. So srun must not be a child of a process of the job: a shell starts it and ends at once.
_SHELL = '"$@" >&2 & echo $!'


def in_job_of(nodes: int) -> bool:
    """Return whether this process runs on a node of a Slurm job with as many nodes."""
    return os.environ.get("SLURM_JOB_NUM_NODES") == str(nodes) and "SLURMD_NODENAME" in os.environ


def join_from_other_nodes(folder: RunFolder, nodes: int, endpoint: str, allowed_key: str) -> Callable[[], bool]:
    """Run `tuitrain join` on the other nodes of this job, until the run ends there; its output goes to the log. Return
    a function that says whether srun still runs. Raise SlurmError if it cannot be started."""
    join = tuitrain_command("join", str(folder.path.absolute()), "--at", endpoint)
    join += ["--allowed", allowed_key] if allowed_key else []
    others = str(nodes - 1)
    options = [
        f"--nodes={others}", f"--ntasks={others}", f"--exclude={os.environ['SLURMD_NODENAME']}", "--overlap",
        "--input=none", "--mpi=none", "--cpu-bind=none",
    ]  # fmt: skip
    try:
        started = subprocess.run(
            ["/bin/sh", "-c", _SHELL, "sh", "srun", *options, *join],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise SlurmError(f"srun cannot be started: {plain(error)}.") from None
    srun = int(started.stdout)

    def runs() -> bool:
        try:
            return psutil.Process(srun).status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return runs
