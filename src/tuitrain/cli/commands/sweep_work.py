"""`tuitrain sweep-work FOLDER`: the worker process of a sweep (internal)."""

import argparse
import os
import signal
import sys

from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.worker import run_worker


def run(options: argparse.Namespace) -> int:
    resources = WorkerResources(options.device, options.threads)
    if options.slurm is not None:
        from tuitrain.hosts.slurm.sweep_job import work_in_job

        return work_in_job(options.path, resources, options.stack, options.allowed, options.slurm)
    # The parent handles Ctrl+C and a lost terminal, and ends this worker by closing its standard input.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Watch a copy of stdin; libraries and user code read /dev/null.
    lifeline = os.fdopen(os.dup(0), "rb", buffering=0)
    with open(os.devnull, "rb") as devnull:  # noqa: PTH123
        os.dup2(devnull.fileno(), 0)
    run_worker(options.path, resources, options.until, options.stack, lifeline, options.allowed)
    sys.stdout.flush()
    return 0
