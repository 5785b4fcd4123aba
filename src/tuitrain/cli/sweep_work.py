"""`tuitrain sweep-work FOLDER`: a worker of a sweep, in a process of its own."""

import argparse
import os
import signal
import sys

from tuitrain.hosts.sweeps.worker import WorkerResources, run_worker


def run(options: argparse.Namespace) -> int:
    # Ctrl+C and the terminal's end are for the process that started it; that closes our standard input.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A copy of it, and nothing for libraries and the user's own code to read.
    lifeline = os.fdopen(os.dup(0), "rb", buffering=0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    run_worker(options.path, WorkerResources(options.device, options.threads), options.until, options.stack, lifeline)
    sys.stdout.flush()
    return 0
