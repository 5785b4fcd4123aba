"""`tuitrain join RUN --at HOST:PORT`: train a run that waits for this machine."""

import argparse
import os
import signal
from types import FrameType

from tuitrain.cli.output import print_message
from tuitrain.errors import RunError
from tuitrain.hosts.trust import check_run
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    # torch.distributed would print a stack of C++ calls whenever another node is gone.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from tuitrain.hosts.distributed.join import SHARED, join, join_in_background, parse_address

    parse_address(options.at)
    try:
        folder = find(options.runs_dir, options.name)
    except RunError as error:
        raise RunError(error.message, SHARED) from None
    folder.check_own_files()
    allowed = options.allowed or _allowed(folder, trust=options.trust)
    if options.detach:
        log_file = join_in_background(folder, options.at, allowed)
        print_message(f"This machine trains a part of the run in the background; its output: {plain(log_file, 1000)}")
        return 0
    left: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        left.append(number)

    signal.signal(signal.SIGINT, leave)
    # Slurm announces a preemption to all processes of the job; the leading one then stops the run.
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "SLURM_JOB_ID" in os.environ else leave)
    outcome = join(folder, options.at, allowed, print_message, lambda: bool(left))
    ended = {"queued": "moves to another process"}.get(outcome.status, outcome.status)
    print_message(f"the run {ended}" + (f": {plain(outcome.reason, 300)}" if outcome.reason else ""))
    return 1 if outcome.status == "failed" else 0


def _allowed(folder: RunFolder, *, trust: bool) -> str:
    """Return the `code_key` of the run, and print its code. Raise TrustError if the user has not allowed it."""
    key, lines = check_run(folder, trust=trust)
    for line in lines:
        print_message(line)
    return key
