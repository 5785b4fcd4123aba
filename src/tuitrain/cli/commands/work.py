"""`tuitrain work FOLDER`: the background process of a run (internal)."""

import argparse
import signal
from types import FrameType

from tuitrain.hosts.launch import resume_run
from tuitrain.hosts.queue.slots import own_slots
from tuitrain.hosts.queue.start import NOT_STARTED
from tuitrain.hosts.resources import WorkerResources
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.waiting import NotWaitingError


def run(options: argparse.Namespace) -> int:
    folder = RunFolder(options.path)
    inbox = Inbox(folder, options.since)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        inbox.put("stop")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    after = RunFolder(options.after) if options.after else None
    resources = WorkerResources(options.device, options.threads)
    try:
        with own_slots(options.slot):
            state = resume_run(
                folder, lambda *_: None, inbox, options.epochs, after, options.allowed, options.schedule,
                options.slot, resources,
            )  # fmt: skip
    except (OwnedError, NotWaitingError):
        if options.slot:
            return NOT_STARTED
        raise
    return 1 if state.status == "failed" else 0
