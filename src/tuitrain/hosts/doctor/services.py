"""Check Slurm, and where alerts go."""

import os
from collections.abc import Iterator
from pathlib import Path

from tuitrain.errors import ConfigError
from tuitrain.hosts.alerts.addresses import load_addresses
from tuitrain.hosts.alerts.service import is_watched
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


def check_alerts(runs_dir: Path) -> Iterator[Finding]:
    """Check the addresses of the user, without sending anything, and whether a process watches `runs_dir`."""
    try:
        count = len(load_addresses())
    except ConfigError as error:
        yield Finding("alerts", plain(error.message, 200), "problem", plain(error.hint, 1000))
        return
    if not count:
        yield Finding("alerts", "no addresses", "note", "Add one: tuitrain notify add ntfy://TOPIC")
        return
    watched = "watched" if is_watched(runs_dir) else "not watched (tuitrain watch)"
    yield Finding("alerts", f"{count} address{'es' * (count > 1)}, runs folder {watched}")
