"""Classify the pictures that another process requests."""

import dataclasses
import os
import threading
from collections import deque
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec.structs import replace

from tuitrain.errors import RunError, TrustError
from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.hosts.predict import loaded_predictor, predictions
from tuitrain.hosts.predict_process import Answer, Request
from tuitrain.hosts.preview.child import problem_of, serve_and_exit
from tuitrain.image_folder.names import is_litter
from tuitrain.image_folder.pictures import find_pictures
from tuitrain.image_folder.walk import IMAGE_SUFFIXES, Skipped
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.training.prediction.predictor import Predictor

# Classes per picture, and the pictures of a folder that are listed.
TOP, LISTED = 10, 100_000


class _Server:
    """Answers requests, and keeps the network and the pictures of the last one."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._stack = ExitStack()
        self._predictor: Predictor | None = None
        self._network: tuple[str, str] | None = None
        self._listed: tuple[str, list[str]] = "", []

    def answer(self, request: Request) -> None:
        answer = Answer(request)
        try:
            answer = self._find(request)
            self._send(replace(answer, doing="loading the network" if self._predictor is None else "classifying"))
            predictor = self._load(request)
            answer = replace(answer, picture=_picture(answer.path, request, predictor))
            (found,) = predictions(predictor, [answer.path], TOP)
            problem = f"{plain(answer.path, 200)}: {found.problem}" if found.problem else ""
            changes = predictor.read.changes(answer.path)
            self._send(replace(answer, top=found.top, problem=problem, changes=changes))
        except TrustError as error:
            reason = error.message.partition(";")[0]
            self._send(replace(answer, problem=f"{reason}. Resume it, or run tuitrain predict with --trust once."))
        except (Exception, SystemExit) as error:
            self._send(replace(answer, problem=problem_of(error)))

    def _find(self, request: Request) -> Answer:
        """Return the path of the picture and its place among those of its folder. Raise RunError if there is none."""
        path = os.path.expanduser(request.path)  # noqa: PTH111
        if self._listed[0] != path:
            self._listed = path, _list(path)
        paths = self._listed[1]
        if not paths:
            raise RunError(f"{plain(path, 200)} is a folder without images.")
        first = paths.index(path) if path in paths else 0
        number = first if request.number is None else request.number % len(paths)
        return Answer(request, path=paths[number], number=number, count=len(paths))

    def _load(self, request: Request) -> "Predictor":
        network = request.folder, request.which
        if self._predictor is None or self._network != network:
            self._predictor = self._network = None
            self._stack.close()
            folder = RunFolder(Path(request.folder))
            self._predictor = self._stack.enter_context(loaded_predictor(folder, request.which, "auto"))
            self._network = network
        return self._predictor

    def _send(self, answer: Answer) -> None:
        self._answers.write(msgspec.json.encode(answer) + b"\n")
        self._answers.flush()


def _list(path: str) -> list[str]:
    """Return the images below a folder, or those beside a file, with the file itself."""
    if os.path.isdir(path):  # noqa: PTH112
        found = find_pictures([path], Skipped(), lambda *_: None)
        return [image for image in islice(found, LISTED) if image is not None]
    folder = os.path.dirname(path)  # noqa: PTH120
    try:
        names = [entry.name for entry in Path(folder or ".").iterdir() if not is_litter(entry.name)]
    except (OSError, ValueError):
        names = []
    images = {os.path.join(folder, name) for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES}  # noqa: PTH118
    return sorted(images | {path})


def _picture(path: str, request: Request, predictor: "Predictor") -> SmallPicture | None:
    """Return the whole picture in the requested size, a small one enlarged; None if it cannot be read."""
    from tuitrain.training.data.decoding.decode import ImageError, ImageReader, upright_size
    from tuitrain.training.data.picture_reader import check_file

    try:
        check_file(path)
        size = upright_size(path)
        if size is None:
            return None
        scale = min(request.width / size[0], request.height / size[1])
        scale = float(int(scale)) if scale > 1 else scale
        width, height = (max(1, int(side * scale)) for side in size)
        read = ImageReader(height, "RGB", predictor.read.read.ranges, "squash", width=width)
        pixels = (dataclasses.replace(read, interpolation="nearest") if scale > 1 else read)(path)
    except ImageError:
        return None
    return SmallPicture(height, width, 3, pixels.permute(1, 2, 0).contiguous().numpy().tobytes())


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request by JSON documents, one per line, the newest first, until the stream of requests ends."""
    server, pending, arrived = _Server(answers), deque[Request](maxlen=1), threading.Event()

    def run() -> None:
        while arrived.wait():
            arrived.clear()
            while pending:
                server.answer(pending.pop())

    threading.Thread(target=run, daemon=True).start()
    for line in requests:
        pending.append(msgspec.json.decode(line, type=Request))
        arrived.set()


if __name__ == "__main__":
    serve_and_exit(serve)
