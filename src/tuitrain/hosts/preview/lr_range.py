"""Run a learning-rate range test in a subprocess."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from tuitrain.config.code import FILE_KEYS
from tuitrain.config.schema import Config
from tuitrain.hosts.lr_find import find_learning_rate
from tuitrain.hosts.preview.child import Child, problem_of, serve_and_exit
from tuitrain.hosts.trust import config_code
from tuitrain.text import plain


class RangeRequest(Struct, frozen=True):
    """A request for a range test. The user's files run only with `may_run`."""

    config: Config
    runs_dir: str
    may_run: bool = False


class RangeAnswer(Struct, frozen=True):
    """The state of a test: `activity` while it runs; at the end the curve and `suggestion`, or a `problem`."""

    activity: str = ""
    rates: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    suggestion: float | None = None
    problem: str = ""


class RangeProcess:
    """Runs one range test; a reader thread stores each answer in `latest`."""

    def __init__(self, request: RangeRequest) -> None:
        self.latest = RangeAnswer("loading torch")
        self._child = Child("tuitrain.hosts.preview.lr_range", self._receive, self._fail)
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = RangeAnswer(problem=f"No range test: {plain(error.strerror)}.")

    def _receive(self, line: bytes) -> None:
        self.latest = msgspec.json.decode(line, type=RangeAnswer)

    def _fail(self) -> None:
        if self.latest.activity:
            self.latest = RangeAnswer(problem="The process of the range test died, perhaps for lack of memory.")

    def close(self) -> None:
        self._child.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer a request with progress, then the result, one JSON document per line."""

    def answer(state: RangeAnswer) -> None:
        answers.write(msgspec.json.encode(state) + b"\n")
        answers.flush()

    for line in requests:
        answer(_test(msgspec.json.decode(line, type=RangeRequest), answer))


def _test(request: RangeRequest, answer: Callable[[RangeAnswer], None]) -> RangeAnswer:
    if not request.may_run and any(code.key in FILE_KEYS for code in config_code(request.config)):
        return RangeAnswer(problem="The range test needs the code of this configuration: ctrl+r asks to allow it.")
    try:
        found = find_learning_rate(
            request.config, Path(request.runs_dir), lambda what, _: answer(RangeAnswer(plain(what)))
        )
    except (Exception, SystemExit) as error:
        return RangeAnswer(problem=problem_of(error))
    return RangeAnswer("", found.rates, found.losses, found.suggestion)


if __name__ == "__main__":
    serve_and_exit(serve)
