"""Request the suspects of a run from a subprocess, so that loading torch and the images does not block the screen."""

import msgspec
from msgspec import Struct

from tuitrain.hosts.preview.child import Child
from tuitrain.hosts.suspects.report import Report
from tuitrain.text import plain


class Request(Struct, frozen=True):
    """The run in `folder`, and the checkpoint whose network compares its images."""

    folder: str
    which: str


class Answer(Struct, frozen=True):
    """What is known about a request: `doing` is the current activity and empty at the end, `fraction` its completed
    part, None if unknown. `problem` says why there is no report."""

    doing: str = ""
    fraction: float | None = None
    problem: str = ""
    report: Report | None = None


class SuspectsProcess:
    """Requests the suspects of one run; a reader thread stores each answer in `latest`. Call the methods from one
    thread only."""

    def __init__(self) -> None:
        self.latest: Answer | None = None
        self._child = Child("tuitrain.hosts.suspects.server", self._receive, self._fail)

    def request(self, request: Request) -> None:
        """Request the suspects, unless they are known or on their way."""
        if self.latest is not None and not self.latest.problem:
            return
        self.latest = Answer(doing="starting a process")
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = Answer(problem=f"No comparison: {plain(error.strerror)}.")

    def _receive(self, line: bytes) -> None:
        self.latest = msgspec.json.decode(line, type=Answer)

    def _fail(self) -> None:
        if self.latest is not None and self.latest.doing:
            self.latest = Answer(problem="No comparison: its process ended.")

    def close(self) -> None:
        self._child.close()
