"""Request a report about a run from a subprocess, so that loading torch and the images does not block the screen."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Generic, TypeVar

import msgspec
from msgspec import Struct

from tuitrain.errors import TrustError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.preview.child import Child, problem_of
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

Report = TypeVar("Report")
# Seconds between two messages about the progress.
INTERVAL = 0.2


class Request(Struct, frozen=True):
    """The run in `folder`, and the checkpoint that the report is about."""

    folder: str
    which: str


class Answer(Struct, Generic[Report], frozen=True):
    """What is known about a request: `doing` is the current activity and empty at the end, `fraction` its completed
    part, None if unknown. `problem` says why there is no report."""

    doing: str = ""
    fraction: float | None = None
    problem: str = ""
    report: Report | None = None


class ReportProcess(Generic[Report]):
    """Requests a report about one run from the module `server`; a reader thread stores each answer in `latest`. `what`
    the process makes, such as "comparison", is missing after a problem. Call the methods from one thread only."""

    def __init__(self, server: str, kind: type[Answer[Report]], what: str) -> None:
        self.latest: Answer[Report] | None = None
        self._kind, self._what = kind, what
        self._child = Child(server, self._receive, self._fail)

    def request(self, request: Request) -> None:
        """Request the report, unless it is known or on its way."""
        if self.latest is not None and not self.latest.problem:
            return
        self.latest = Answer(doing="starting a process")
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = Answer(problem=f"No {self._what}: {plain(error.strerror)}.")

    def cancel(self) -> None:
        """Forget the answer, and end the process if it still works."""
        if self.latest is not None and self.latest.doing:
            self.close()
        self.latest = None

    def _receive(self, line: bytes) -> None:
        self.latest = msgspec.json.decode(line, type=self._kind)

    def _fail(self) -> None:
        if self.latest is not None and self.latest.doing:
            self.latest = Answer(problem=f"No {self._what}: its process ended.")

    def close(self) -> None:
        self._child.close()


def serve(
    requests: BinaryIO,
    answers: BinaryIO,
    make: Callable[[RunFolder, str, ProgressCallback], object],
    command: str,
) -> None:
    """Answer each request by JSON documents, one per line, until the stream of requests ends. `make` returns the report
    about a run and a checkpoint; `command` is the one by which the user can allow the code of the run."""
    for line in requests:
        _send(_answer(msgspec.json.decode(line, type=Request), answers, make, command), answers)


def _answer(
    request: Request,
    answers: BinaryIO,
    make: Callable[[RunFolder, str, ProgressCallback], object],
    command: str,
) -> Answer[object]:
    sent = 0.0

    def progress(doing: str, fraction: float | None) -> None:
        nonlocal sent
        if (now := monotonic()) - sent > INTERVAL:
            sent = now
            _send(Answer(doing=plain(doing, 200), fraction=fraction), answers)

    try:
        return Answer(report=make(RunFolder(Path(request.folder)), request.which, progress))
    except TrustError as error:
        reason = error.message.partition(";")[0]
        return Answer(problem=f"{reason}. Resume it, or run tuitrain {command} with --trust once.")
    except (Exception, SystemExit) as error:
        return Answer(problem=problem_of(error))


def _send(answer: Answer[object], answers: BinaryIO) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()
