"""`tuitrain` and `tuitrain attach`: the app."""

import argparse
import gc
import sys

from tuitrain.cli.output import talk
from tuitrain.errors import RunError, TuitrainError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    _need_terminal()
    # What is made until the first screen lives as long as the app: looking for garbage in it only makes one wait.
    gc.disable()
    first = _attached(options) if options.command == "attach" else None
    from tuitrain.app.app import open_app

    left = open_app(options.runs_dir, first)
    if left is not None:
        talk(f"The run goes on in the background. Watch it: tuitrain attach {plain(left.id)}")
    return 0


def _need_terminal() -> None:
    """Raises TuitrainError where there is no keyboard or no screen: keys come by stdin, the screen goes to stderr."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise TuitrainError(
            "The app needs a terminal, and was started without one.",
            "Over SSH: ssh -t HOST tuitrain. In a script: tuitrain train, runs, show, compare.",
        )


def _attached(options: argparse.Namespace) -> RunFolder:
    if options.name:
        return find(options.runs_dir, options.name)
    for entry in RunIndex(options.runs_dir).refresh():
        if entry.status in ("queued", "running", "paused"):
            return entry.folder
    raise RunError(f"No run goes on in {plain(options.runs_dir)}.", "See: tuitrain runs")
