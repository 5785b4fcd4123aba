"""`tuitrain` and `tuitrain attach`: open the app."""

import argparse
import gc
import os
import sys

from tuitrain.cli.output import print_message
from tuitrain.errors import RunError, TuitrainError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import ACTIVE
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    _check_terminal()
    # Objects created before the first screen live as long as the app, so collecting garbage only delays it.
    gc.disable()
    first = _run_to_open(options) if options.command == "attach" else None
    from tuitrain.app.app import continues_in_background, open_app

    background = open_app(options.runs_dir, first)
    if background is not None:
        print_message(continues_in_background(background))
    return 0


def _check_terminal() -> None:
    """Raise TuitrainError unless stdin (keys) and stderr (screen) are a terminal that can show the app."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise TuitrainError(
            "The app needs a terminal.",
            "Over SSH: ssh -t HOST tuitrain. In a script: tuitrain train, runs, show, compare.",
        )
    if os.environ.get("TERM") == "dumb":
        raise TuitrainError(
            "The app needs a terminal that can move the cursor, but TERM is dumb.",
            "Open another terminal, or use: tuitrain train, runs, show, compare.",
        )


def _run_to_open(options: argparse.Namespace) -> RunFolder:
    if options.name:
        return find(options.runs_dir, options.name)
    for entry in RunIndex(options.runs_dir).refresh():
        if entry.status in ACTIVE:
            return entry.folder
    raise RunError(f"No run is active in {plain(options.runs_dir)}.", "List runs with: tuitrain runs")
