"""Open the live screen of a run."""

from collections.abc import Callable

from textual.pilot import Pilot

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.training import TrainingScreen

WriteRun = Callable[..., RunFolder]


def screen(app: TuitrainApp) -> TrainingScreen:
    assert isinstance(app.screen, TrainingScreen)
    return app.screen


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    screen(app).tick()
    await pilot.pause()


def opened(folder: RunFolder) -> TuitrainApp:
    """Return the app with the screen of the run open."""
    return TuitrainApp(folder.path.parent, ThreadHost(), folder)
