"""Read and type in the runs table."""

from collections.abc import Callable

from textual.pilot import Pilot

from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.messages import OpenComparison
from tuitrain.widgets.tables.runs import RunTable

WriteRun = Callable[..., RunFolder]

SIZES = [(60, 20), (80, 24), (120, 40)]


def names(app: TuitrainApp) -> list[str]:
    return [entry.info.name for entry in app.screen.query_one(RunTable).entries]


def selected(app: TuitrainApp) -> str:
    entry = app.screen.query_one(RunTable).selected
    assert entry is not None
    return entry.info.name


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, HomeScreen)
    app.screen.tick()
    await pilot.pause()


async def write(pilot: Pilot[None], typed: str) -> None:
    keys = {" ": "space", ">": "greater_than_sign", "<": "less_than_sign", "=": "equals_sign", "%": "percent_sign",
            "-": "minus", ".": "full_stop", ":": "colon"}  # fmt: skip
    await pilot.press(*(keys.get(letter, letter) for letter in typed))
    await pilot.pause()


class Asked(TuitrainApp):
    """Records the requested comparison instead of opening it."""

    def on_open_comparison(self, message: OpenComparison) -> None:
        message.prevent_default()
        self.asked = [folder.id for folder in message.folders]
