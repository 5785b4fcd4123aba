"""Sweeps for the sweep screen."""

from collections.abc import Callable

from textual.pilot import Pilot

from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.screens.sweep.screen import SweepScreen

WriteRun = Callable[..., RunFolder]

Done = dict[tuple[int, int], float]

GRID = """\
[sweep]
name = "grid [red]x[/]"
seeds = 2
[sweep.values]
"optimizer.name" = ["sgd", "adam"]
"optimizer.lr" = [0.1, 0.01]
[[sweep.extra]]
"training.epochs" = 99
"""

# Validation accuracies by trial and seed.
SEEN = {(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.7, (2, 0): 0.9, (2, 1): 0.8}


async def opened(app: TuitrainApp, pilot: Pilot[None], folder: SweepFolder) -> SweepScreen:
    app.push_screen(SweepScreen(folder))
    await pilot.pause()
    assert isinstance(app.screen, SweepScreen)
    return app.screen
