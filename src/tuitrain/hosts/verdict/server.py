"""Compute the baselines of the runs that another process requests."""

from pathlib import Path
from time import monotonic
from typing import BinaryIO

import msgspec

from tuitrain.errors import TrustError
from tuitrain.hosts.preview.child import problem_of, serve_and_exit
from tuitrain.hosts.verdict.find import find_verdict
from tuitrain.hosts.verdict.process import Answer, Request
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

# Seconds between two reports of the progress.
INTERVAL = 0.2


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request by JSON documents, one per line, until the stream of requests ends."""
    for line in requests:
        _send(_answer(msgspec.json.decode(line, type=Request), answers), answers)


def _answer(request: Request, answers: BinaryIO) -> Answer:
    sent = 0.0

    def progress(doing: str, _: float | None) -> None:
        nonlocal sent
        if (now := monotonic()) - sent > INTERVAL:
            sent = now
            _send(Answer(request, doing=plain(doing, 200)), answers)

    try:
        find_verdict(RunFolder(Path(request.folder)), "auto", progress)
        return Answer(request)
    except TrustError as error:
        reason = error.message.partition(";")[0]
        return Answer(request, problem=f"{reason}. Resume it, or run tuitrain verdict with --trust once.")
    except (Exception, SystemExit) as error:
        return Answer(request, problem=problem_of(error))


def _send(answer: Answer, answers: BinaryIO) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()


if __name__ == "__main__":
    serve_and_exit(serve)
