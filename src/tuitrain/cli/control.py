"""`tuitrain stop|pause|resume|checkpoint RUN`: a command to a loop that runs."""

import argparse

from tuitrain.cli.output import talk
from tuitrain.errors import RunError
from tuitrain.runs.control import send
from tuitrain.runs.folder import shown_status
from tuitrain.runs.listing import find
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    status = shown_status(folder.state())
    if status not in ("queued", "running", "paused"):
        raise RunError(f"{plain(folder.id)} does not run: it is {status}.")
    send(folder, options.command)
    talk(f"{options.command}: sent to {plain(folder.id)}")
    return 0
