"""Find the suspects of the runs that another process requests."""

from pathlib import Path
from time import monotonic
from typing import BinaryIO

import msgspec

from tuitrain.errors import TrustError
from tuitrain.hosts.preview.child import problem_of, serve_and_exit
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.hosts.suspects.process import Answer, Request
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

    def progress(doing: str, fraction: float | None) -> None:
        nonlocal sent
        if (now := monotonic()) - sent > INTERVAL:
            sent = now
            _send(Answer(doing=plain(doing, 200), fraction=fraction), answers)

    try:
        return Answer(report=find_suspects(RunFolder(Path(request.folder)), request.which, "auto", progress))
    except TrustError as error:
        reason = error.message.partition(";")[0]
        return Answer(problem=f"{reason}. Resume it, or run tuitrain suspects with --trust once.")
    except (Exception, SystemExit) as error:
        return Answer(problem=problem_of(error))


def _send(answer: Answer, answers: BinaryIO) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()


if __name__ == "__main__":
    serve_and_exit(serve)
