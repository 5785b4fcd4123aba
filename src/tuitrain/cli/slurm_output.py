"""Ask Slurm before a command prints runs that wait for it."""

from collections.abc import Sequence

from tuitrain.cli.output import print_message
from tuitrain.hosts.slurm.client import SlurmError
from tuitrain.hosts.slurm.watch import update_waiting
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder


def update_from_slurm(waiting: Sequence[RunFolder | SweepFolder]) -> bool:
    """Update the records of these runs and sweeps; return whether there are any. Say why Slurm does not answer."""
    try:
        update_waiting(waiting)
    except SlurmError as error:
        print_message(f"The reasons why runs wait may be old: {error.message}")
    return bool(waiting)
