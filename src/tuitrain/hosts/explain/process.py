"""Request explanations from a subprocess, so that loading torch and the network does not block the screen.

A request has several answers: what the process does, then the explanation, then the most similar training images.
"""

import msgspec
from msgspec import Struct

from tuitrain.hosts.explain.explained import Explained, Neighbour, Source
from tuitrain.hosts.preview.child import Child
from tuitrain.text import plain


class Request(Struct, frozen=True):
    """An image to explain with the checkpoint `which` of the run in `folder`."""

    folder: str
    which: str
    source: Source


class Answer(Struct, frozen=True):
    """What is known about a request: `doing` is the current activity and empty at the end, `fraction` its completed
    part, None if unknown. `problem` says why there is no explanation, or why there are no neighbours."""

    request: Request
    doing: str = ""
    fraction: float | None = None
    problem: str = ""
    explained: Explained | None = None
    neighbours: tuple[Neighbour, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        return not self.doing


class ExplainProcess:
    """Requests explanations; a reader thread stores each answer in `latest`. Call the methods from one thread only."""

    def __init__(self) -> None:
        self.latest: Answer | None = None
        self._requested: Request | None = None
        self._child = Child("tuitrain.hosts.explain.server", self._receive, self._fail)

    def request(self, request: Request) -> None:
        """Request an explanation, unless it was requested last. The process answers the newest request first."""
        if request == self._requested:
            return
        self._requested = request
        self.latest = Answer(request, doing="starting a process" if self.latest is None else "waiting")
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = Answer(request, problem=f"No explanation: {plain(error.strerror)}.")

    def _receive(self, line: bytes) -> None:
        answer = msgspec.json.decode(line, type=Answer)
        if answer.request == self._requested:
            self.latest = answer

    def _fail(self) -> None:
        if self._requested is not None:
            self.latest = Answer(self._requested, problem="No explanation: its process ended.")

    def close(self) -> None:
        self._child.close()
