"""Put new runs, and all runs of a new sweep, into the queue."""

import time

from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Waiting
from tuitrain.runs.waiting import wait


def enqueue(spec: RunSpec, priority: int = 0) -> RunFolder:
    """Create a run that waits in the queue. Raise RunError if it cannot be written."""
    folder = create_run(spec)
    wait(folder, Waiting(by="queue", since=time.time(), priority=priority))
    return folder
