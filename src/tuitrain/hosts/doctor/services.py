"""Check Slurm."""

import os
from collections.abc import Iterator

from tuitrain.hosts.doctor.finding import Finding
from tuitrain.hosts.slurm.client import SlurmError, call, has_slurm
from tuitrain.text import plain


def check_slurm() -> Iterator[Finding]:
    """Ask Slurm's controller; yield nothing on a machine without Slurm."""
    if not has_slurm():
        return
    try:
        version = call("sinfo", "--version").strip()
        call("squeue", "--noheader", "--user", str(os.getuid()))
    except SlurmError as error:
        yield Finding("Slurm", plain(error.message, 120), "problem", "Ask the administrator of the cluster.")
    else:
        yield Finding("Slurm", f"{plain(version, 40)}: tuitrain submit")
