"""`tuitrain work FOLDER`: the background process of a run (internal)."""

import argparse
import signal
from functools import partial
from types import FrameType

from tuitrain.hosts.launch import notify_end, resume_run
from tuitrain.hosts.queue.slots import own_slots
from tuitrain.hosts.queue.start import NOT_STARTED
from tuitrain.hosts.resources import WorkerResources
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.records import State
from tuitrain.runs.waiting import NotWaitingError


def run(options: argparse.Namespace) -> int:
    folder = RunFolder(options.path)
    after = RunFolder(options.after) if options.after else None
    resources = WorkerResources(options.device, options.threads)

    def train(inbox: Inbox, epochs: int | None) -> State:
        return resume_run(
            folder, lambda *_: None, inbox, epochs, after, options.allowed, options.schedule, options.slot, resources
        )

    if options.slurm:
        from tuitrain.hosts.slurm.job import train_in_job

        on_end = partial(notify_end, folder, allowed_key=options.allowed)
        return _status(train_in_job(folder, options.epochs, options.since, train, on_end))
    inbox = Inbox(folder, options.since)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        inbox.put("stop")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with own_slots(options.slot):
            return _status(train(inbox, options.epochs))
    except (OwnedError, NotWaitingError):
        if options.slot:
            return NOT_STARTED
        raise


def _status(state: State) -> int:
    return 1 if state.status == "failed" else 0
