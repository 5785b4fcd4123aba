"""`tuitrain rank FOLDER`: one of the processes of a run on several devices (internal)."""

import argparse
import os
import signal
import sys

from tuitrain.hosts.distributed.rank import end_with, work_as_rank
from tuitrain.runs.folder import RunFolder


def run(options: argparse.Namespace) -> int:
    end_with(options.launcher)
    if "SLURM_JOB_ID" in os.environ:
        # Slurm announces a preemption to all processes of the job; the launcher alone then stops the run.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # torch.distributed would write a stack of C++ calls to the log whenever a rank is gone.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    devices = options.devices.split(",")
    folder = RunFolder(options.path)
    status = work_as_rank(folder, devices, options.exchange, options.epochs, options.schedule, options.allowed)
    if status:
        # Connections to ranks that are gone can block the end of the interpreter.
        sys.stdout.flush()
        os._exit(status)
    return status
