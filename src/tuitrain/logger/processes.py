"""Which of the processes of a training logs."""

import os
import sys

# The position of a process among those that train together, set by torchrun, Slurm and Lightning.
RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK")


def may_log() -> bool:
    """Return whether this process is the one that logs: the first of those that train together, and no worker."""
    return all(os.environ.get(name, "").strip() in ("", "0") for name in RANKS) and not is_worker()


def is_worker() -> bool:
    """Return whether this is a worker of a DataLoader, or a process in which multiprocessing runs the script once more
    before the task of the process begins."""
    data = sys.modules.get("torch.utils.data")
    if data is not None and data.get_worker_info() is not None:
        return True
    process = sys.modules.get("multiprocessing.process")
    return process is not None and bool(getattr(process.current_process(), "_inheriting", False))
