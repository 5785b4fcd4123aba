"""Open a comparison of runs with known predictions."""

import random
from array import array
from collections.abc import Callable

import msgspec
from textual.pilot import Pilot

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.widgets.messages import OpenComparison

WriteRun = Callable[..., RunFolder]


def predict(folder: RunFolder, right: int, *, seed: int = 0, images: int = 100) -> None:
    """A test of ten classes in which the first `right` images are classified correctly."""
    numbers = random.Random(seed)
    true = [numbers.randrange(10) for _ in range(images)]
    predicted = [one if place < right else (one + 1) % 10 for place, one in enumerate(true)]
    confusion = [[0] * 10 for _ in range(10)]
    for one, other in zip(true, predicted, strict=True):
        confusion[one][other] += 1
    evaluation = folder.evaluation("test")
    assert evaluation is not None
    folder.write_evaluation(
        msgspec.structs.replace(
            evaluation,
            confusion=confusion,
            true=array("H", true).tobytes(),
            predicted=array("H", predicted).tobytes(),
        )
    )


async def opened(pilot: Pilot[None], folders: list[RunFolder]) -> CompareScreen:
    pilot.app.post_message(OpenComparison(folders))
    await pilot.pause()
    return await read_whole(pilot)


async def read_whole(pilot: Pilot[None]) -> CompareScreen:
    """Read all runs of the comparison that is open."""
    screen = pilot.app.screen
    assert isinstance(screen, CompareScreen)
    while screen._reading:
        screen._read()
    screen.redraw()
    await pilot.pause()
    return screen


def app_of(folders: list[RunFolder]) -> TuitrainApp:
    return TuitrainApp(folders[0].path.parent, ThreadHost())
