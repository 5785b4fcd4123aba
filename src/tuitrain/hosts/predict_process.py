"""Request predictions for single pictures from a subprocess, so that loading torch does not block the screen."""

import msgspec
from msgspec import Struct

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.hosts.predict import Guess
from tuitrain.hosts.preview.child import Child
from tuitrain.text import plain


class Request(Struct, frozen=True):
    """A picture to classify with the checkpoint `which` of the run in `folder`: the file `path`, or the picture
    `number` of its folder, counted from 0 and modulo their count. It is to be shown with `width` by `height` pixels."""

    folder: str
    which: str
    path: str
    number: int | None = None
    width: int = 32
    height: int = 32


class Answer(Struct, frozen=True):
    """What is known about a request: `doing` is the current activity and empty at the end; `problem` says why there is
    no prediction. `path` is picture `number` of `count`, and `changes` says what reading changes in it."""

    request: Request
    doing: str = ""
    problem: str = ""
    path: str = ""
    number: int = 0
    count: int = 0
    picture: SmallPicture | None = None
    top: tuple[Guess, ...] = ()
    changes: str = ""


class PredictProcess:
    """Requests predictions; a reader thread stores each answer in `latest`. Call the methods from one thread only."""

    def __init__(self) -> None:
        self.latest: Answer | None = None
        self._requested: Request | None = None
        self._child = Child("tuitrain.hosts.predict_server", self._receive, self._fail)

    def request(self, request: Request) -> None:
        """Request a prediction, unless it was requested last. The process answers the newest request first."""
        if request == self._requested:
            return
        self._requested = request
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = Answer(request, problem=f"No prediction: {plain(error.strerror)}.")

    def _receive(self, line: bytes) -> None:
        answer = msgspec.json.decode(line, type=Answer)
        if answer.request == self._requested:
            self.latest = answer

    def _fail(self) -> None:
        if self._requested is not None:
            self.latest = Answer(self._requested, problem="No prediction: its process ended.")

    def close(self) -> None:
        self._child.close()
