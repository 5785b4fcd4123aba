"""Explain the images that another process requests."""

import threading
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from tuitrain.errors import TrustError
from tuitrain.hosts.explain.explainer import Explainer, opened
from tuitrain.hosts.explain.process import Answer, Request
from tuitrain.hosts.preview.child import problem_of, serve_and_exit
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

# The number of training images to show.
NEIGHBOURS = 8
# Seconds between two reports of the progress.
INTERVAL = 0.2


class _Superseded(BaseException):
    """A request for another network has arrived. No handler of errors in the user's code catches it."""


class _Server:
    """Answers requests, the newest first. Keeps the network of the last request, and the features of its images."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._pending: deque[Request] = deque(maxlen=1)
        self._arrived = threading.Event()
        self._answer: Answer | None = None
        self._sent = 0.0
        self._stack = ExitStack()
        self._explainer: Explainer | None = None
        self._network: tuple[str, str] | None = None

    def add(self, request: Request) -> None:
        self._pending.append(request)
        self._arrived.set()

    def run(self) -> None:
        while self._arrived.wait():
            self._arrived.clear()
            while self._pending:
                try:
                    self._serve(self._pending.pop())
                except _Superseded:
                    continue

    def _serve(self, request: Request) -> None:
        self._send(Answer(request, doing="loading the network"))
        try:
            explainer = self._load(request)
            self._explain(explainer, request)
            explainer.compare()
            self._add_neighbours(explainer)
        except TrustError as error:
            reason = error.message.partition(";")[0]
            self._fail(f"{reason}. Resume it, or run tuitrain explain with --trust once.")
        except (Exception, SystemExit) as error:
            self._fail(problem_of(error))

    def _load(self, request: Request) -> Explainer:
        network = request.folder, request.which
        if self._explainer is None or self._network != network:
            self._explainer = self._network = None
            self._stack.close()
            folder = RunFolder(Path(request.folder))
            self._explainer = self._stack.enter_context(opened(folder, request.which, "auto", self._report))
            self._network = network
        return self._explainer

    def _explain(self, explainer: Explainer, request: Request) -> None:
        """Answer with the explanation, before the training images are compared, which takes longer."""
        answer = Answer(request, doing="comparing with the training images", classes=tuple(explainer.classes))
        try:
            answer = replace(answer, explained=explainer.explain(request.source, None, request.side))
        except (Exception, SystemExit) as error:
            answer = replace(answer, doing="", problem=problem_of(error))
        self._send(answer)

    def _add_neighbours(self, explainer: Explainer) -> None:
        answer = self._answer
        if answer is not None and answer.explained is not None:
            request = answer.request
            found = explainer.neighbours(request.source, NEIGHBOURS, request.side // 2)
            self._send(replace(answer, doing="", fraction=None, neighbours=tuple(found)))

    def _report(self, doing: str, fraction: float | None) -> None:
        """Send what the process does. Meanwhile, explain the image of a newer request for the same network."""
        if self._explainer is not None and self._pending:
            newest = self._pending[-1]
            if (newest.folder, newest.which) != self._network:
                raise _Superseded
            self._explain(self._explainer, self._pending.pop())
        if self._answer is not None and not self._answer.is_final and monotonic() - self._sent > INTERVAL:
            self._send(replace(self._answer, doing=plain(doing, 200), fraction=fraction))

    def _fail(self, problem: str) -> None:
        assert self._answer is not None
        self._send(replace(self._answer, doing="", problem=problem))

    def _send(self, answer: Answer) -> None:
        self._answer, self._sent = answer, monotonic()
        self._answers.write(msgspec.json.encode(answer) + b"\n")
        self._answers.flush()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request by JSON documents, one per line, until the stream of requests ends."""
    server = _Server(answers)
    threading.Thread(target=server.run, daemon=True).start()
    for line in requests:
        server.add(msgspec.json.decode(line, type=Request))


if __name__ == "__main__":
    serve_and_exit(serve)
