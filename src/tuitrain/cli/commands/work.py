"""`tuitrain work FOLDER`: the background process of a run (internal)."""

import argparse
import signal
from types import FrameType

from tuitrain.hosts.launch import resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder


def run(options: argparse.Namespace) -> int:
    folder = RunFolder(options.path)
    inbox = Inbox(folder, options.since)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        inbox.put("stop")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    after = RunFolder(options.after) if options.after else None
    state = resume_run(folder, lambda *_: None, inbox, options.epochs, after, options.allowed, options.schedule)
    return 1 if state.status == "failed" else 0
