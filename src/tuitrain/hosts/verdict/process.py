"""Request the verdict on a run from a subprocess, so that loading torch and the images does not block the screen."""

from msgspec import Struct

from tuitrain.hosts.preview.child import Requests


class Request(Struct, frozen=True):
    """The run in `folder`, whose baselines are missing at this `heartbeat`."""

    folder: str
    heartbeat: float


class Answer(Struct, frozen=True):
    """What is known about a request: `doing` is the current activity and empty at the end, when the run has its
    baselines. `problem` says why it has none."""

    request: Request
    doing: str = ""
    problem: str = ""


class VerdictProcess(Requests[Request, Answer]):
    """Requests the verdict on a run."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.verdict.server", Answer, _problem)

    def wait(self, request: Request) -> None:
        self.latest = Answer(request, doing="starting a process")


def _problem(request: Request, reason: str) -> Answer:
    return Answer(request, problem=f"No comparison: {reason}.")
