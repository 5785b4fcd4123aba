"""Render a sheet of augmented training images in a subprocess."""

from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.code import is_spec
from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.schema import Config
from tuitrain.hosts.preview.child import Child, problem_of, serve_and_exit
from tuitrain.hosts.preview.preview import DATA_NOT_ALLOWED, with_image_size
from tuitrain.hosts.preview.split_sizes import is_on_disk
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.training.data.sheet import Sample

ORIGINALS, VARIANTS = 4, 12


class SheetPicture(Struct, frozen=True):
    """A small picture with height * width * channels bytes."""

    height: int
    width: int
    channels: int
    pixels: bytes


class SheetRow(Struct, frozen=True):
    """An image as evaluations see it, and variants as training sees them."""

    label: str
    original: SheetPicture
    variants: tuple[SheetPicture, ...]


class Request(Struct, frozen=True):
    """A request for a sheet; another `draw` chooses other images and random numbers. The file of a data set runs only
    with `may_run`."""

    config: Config
    draw: int = 0
    may_run: bool = False


class Sheet(Struct, frozen=True):
    """The answer to a request: rows, or a `problem`."""

    request: Request
    rows: tuple[SheetRow, ...] = ()
    problem: str = ""


class SheetProcess:
    """Requests sheets; a reader thread stores each answer in `latest`. Call the methods from one thread only."""

    def __init__(self) -> None:
        self.latest: Sheet | None = None
        self._requested: Request | None = None
        self._child = Child("tuitrain.hosts.preview.sheet", self._receive, self._fail)

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return self._requested is not None and (self.latest is None or self.latest.request != self._requested)

    def request(self, request: Request) -> None:
        """Request a sheet, unless an earlier answer is outstanding."""
        if self.waiting:
            return
        self._requested = request
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = Sheet(request, problem=f"No sheet: {plain(error.strerror)}.")

    def _receive(self, line: bytes) -> None:
        self.latest = msgspec.json.decode(line, type=Sheet)

    def _fail(self) -> None:
        if self._requested is not None:
            self.latest = Sheet(self._requested, problem="No sheet: its process ended.")

    def close(self) -> None:
        self._child.close()


def render(request: Request) -> Sheet:
    """Return the sheet for a request; loads torch."""
    config = replace(request.config, data=with_image_size(request.config))
    data = config.data
    if data.dataset in {*DATASETS, *PHOTO_DATASETS} - {"digits"} and not is_on_disk(data):
        return Sheet(request, problem=f"{data.dataset} is not downloaded yet: start a run first.")
    if is_spec(data.dataset) and not request.may_run:
        return Sheet(request, problem=DATA_NOT_ALLOWED)
    from tuitrain.training.data.sheet import samples

    try:
        rows = samples(config, request.draw, ORIGINALS, VARIANTS)
    except (Exception, SystemExit) as error:
        return Sheet(request, problem=problem_of(error))
    return Sheet(request, tuple(map(_row, rows)))


def _row(sample: "Sample") -> SheetRow:
    original, *variants = (
        SheetPicture(image.shape[0], image.shape[1], image.shape[2], image.numpy().tobytes())
        for image in (sample.original, *sample.variants)
    )
    return SheetRow(plain(sample.label, 40), original, tuple(variants))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request, one JSON document per line."""
    for line in requests:
        answers.write(msgspec.json.encode(render(msgspec.json.decode(line, type=Request))) + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve_and_exit(serve)
