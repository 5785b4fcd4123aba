"""Ask Slurm before a command prints runs that wait for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuitrain.cli.output import print_message
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder

if TYPE_CHECKING:
    from tuitrain.runs.sweeps.folder import SweepFolder


def update_from_slurm(waiting: Sequence["RunFolder | SweepFolder"]) -> bool:
    """Update the records of these runs and sweeps; return whether there are any. Print why Slurm does not answer."""
    if not waiting:
        return False
    from tuitrain.hosts.slurm.watch import update_waiting

    try:
        update_waiting(waiting)
    except RunError as error:
        print_message(f"The reasons why runs wait may be old: {error.message}")
    return True
