"""Request explanations from a subprocess, so that loading torch and the network does not block the screen.

A request has several answers: what the process does, then the explanation, then the most similar training images.
"""

from msgspec import Struct

from tuitrain.hosts.explain.explained import Explained, Neighbour, Source
from tuitrain.hosts.preview.child import Requests


class Request(Struct, frozen=True):
    """An image to explain with the checkpoint `which` of the run in `folder`. Its pictures have at most `side` pixels
    per side, and those of training images half as many."""

    folder: str
    which: str
    source: Source
    side: int = 64


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


class ExplainProcess(Requests[Request, Answer]):
    """Requests explanations."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.explain.server", Answer, _problem)

    def wait(self, request: Request) -> None:
        self.latest = Answer(request, doing="starting a process" if self.latest is None else "waiting")


def _problem(request: Request, reason: str) -> Answer:
    return Answer(request, problem=f"No explanation: {reason}.")
