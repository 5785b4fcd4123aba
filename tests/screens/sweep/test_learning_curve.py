"""The chart of a sweep over `data.fraction`."""

from collections.abc import Callable

import pytest

from screen_text import text
from screens.sweep.sweep_app import GRID, opened
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job
from tuitrain.runs.writer import encode_pretty
from tuitrain.widgets.panels.learning_curve import LearningCurvePanel

CURVE = '[sweep]\nname = "curve [red]x[/]"\nseeds = 2\n[sweep.values]\n"data.fraction" = [0.25, 0.5, 1]\n'
SEEN = {(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.7, (1, 1): 0.8, (2, 0): 0.9, (2, 1): 0.9}


def with_sizes(folder: SweepFolder) -> SweepFolder:
    """Give the runs of a written sweep the numbers of images that training would record."""
    for trial, images in enumerate((250, 500, 1000)):
        for seed in range(2):
            run = folder.run(Job(trial, seed))
            if run is not None:
                info = run.info()
                info.sizes = {"train": images, "validation": 100, "test": 100}
                run.info_file.write_bytes(encode_pretty(info))
    return folder


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_the_map_of_a_learning_curve_is_a_chart_with_a_verdict(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder], size: tuple[int, int]
) -> None:
    folder = with_sizes(write_sweep(CURVE, SEEN))
    async with app.run_test(size=size) as pilot:
        screen = await opened(app, pilot, folder)
        await pilot.press("2")
        await pilot.pause()
        shown = " ".join(text(app).split())
        assert "needs at least two settings" not in shown
        assert "training images" in shown
        assert "The last doubling of the training images, to 1,000," in shown.replace("│ ", "")
        exported = screen.exports()[2].text()
        assert "| 0.5 | 500 | 2 | 75.00 % ± 7.07 |" in exported
        assert "more seeds would tell" in exported


async def test_other_sweeps_keep_their_map(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep(GRID)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, folder)
        assert not screen.query_one(LearningCurvePanel).display
        assert screen.query_one("#heat").display
        assert "rows optimizer, columns lr" in text(app)


async def test_a_curve_without_results_or_with_damaged_runs_waits(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep(CURVE, {(0, 0): 0.5, (2, 0): 0.9})
    run = folder.run(Job(2, 0))
    assert run is not None
    run.info_file.write_bytes(b"\xff")
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        assert "Two fractions with finished runs are needed" in " ".join(text(app).split())
