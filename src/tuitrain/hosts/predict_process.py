"""Request predictions for single pictures from a subprocess, so that loading torch does not block the screen."""

from msgspec import Struct

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.hosts.predict import Guess
from tuitrain.hosts.preview.child import Requests


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


class PredictProcess(Requests[Request, Answer]):
    """Requests predictions."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.predict_server", Answer, _problem)


def _problem(request: Request, reason: str) -> Answer:
    return Answer(request, problem=f"No prediction: {reason}.")
