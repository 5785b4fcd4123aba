"""Classify new pictures with a trained network. The data set of the run is not needed."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from tuitrain.config.code import MODEL
from tuitrain.config.validation import check_value
from tuitrain.errors import RunError
from tuitrain.hosts.evaluate import evaluation_config
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.trust import evaluation_code
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.user_files import changed_files
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.training.prediction.predictor import Predictor


class Guess(Struct, frozen=True):
    """A class with its probability."""

    name: str
    probability: float


class Prediction(Struct, frozen=True):
    """The most probable classes of a picture, the best first; none if it cannot be read for the reason `problem`."""

    path: str
    top: tuple[Guess, ...] = ()
    problem: str = ""

    @property
    def best(self) -> Guess:
        return self.top[0]


def predict(
    folder: RunFolder,
    paths: Iterable[str | None],
    progress: ProgressCallback,
    note: Callable[[str], object],
    *,
    top: int = 3,
    which: str = "last",
    device: str = "auto",
    augmented: bool = False,
    trust: bool = False,
) -> Generator[Prediction]:
    """Yield a prediction for each picture, in order; `paths` is that of `find_pictures`.

    With `augmented`, average over the usual views of each picture. With `trust`, allow the code of the run's network.
    `note` gets sentences for the user.

    Raise TuitrainError if the run or its checkpoint is missing or invalid, or if its code is not allowed.
    """
    for change in changed_files(folder.info()):
        note(change)
    progress("loading torch", None)
    with LogCapture(), loaded_predictor(folder, which, device, augmented=augmented, trust=trust) as predictor:
        if augmented:
            note(f"each prediction is the average of {predictor.views}")
        progress("predicting", None)
        paths = iter(paths)
        first = next((path for path in paths if path is not None), None)
        if first is not None:
            if changes := predictor.read.changes(first):
                note(f"{plain(first, 200)}: {changes}")
            yield from predictions(predictor, chain([first], paths), top)
        for change in predictor.read.read.ranges.notes():
            note(change)


@contextmanager
def loaded_predictor(
    folder: RunFolder, which: str, device: str, *, augmented: bool = False, trust: bool = False
) -> Iterator["Predictor"]:
    """Load the network of a run in this thread, whose code may run while the context lasts. Raise TuitrainError."""
    check_value("training.device", device)
    with evaluation_code(folder, trust=trust, keys=[MODEL]):
        from tuitrain.training.device import choose_device
        from tuitrain.training.prediction.predictor import Predictor
        from tuitrain.training.user_code import explained

        config = evaluation_config(folder.config(), device, on_cpu=choose_device(device).type == "cpu")
        with explained("The run's code", RunError):
            predictor = Predictor.of_run(folder, config, which, augmented=augmented)
        yield predictor


def predictions(predictor: "Predictor", paths: Iterable[str | None], top: int) -> Iterator[Prediction]:
    """Yield the `top` classes of each picture, in order. Raise RunError if the network fails."""
    from tuitrain.training.user_code import explained

    with explained("The prediction", RunError):
        for found in predictor.classify(paths, top):
            guesses = (Guess(predictor.classes[index], probability) for index, probability in found.top)
            yield Prediction(found.path, tuple(guesses), found.problem)
