"""The detail panel below the runs table."""

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from screen_text import lines, text
from screens.home.home_app import tick
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder
from tuitrain.widgets.panels.run_detail import RunDetail

WriteRun = Callable[..., RunFolder]


async def read(app: TuitrainApp, pilot: Pilot[None]) -> None:
    while app.screen.query_one(RunDetail).poll():
        pass
    await tick(app, pilot)


def titles(app: TuitrainApp) -> list[str]:
    return [title for title in ("loss", "accuracy", "val loss", "val accuracy") if f"─ {title} ─" in text(app)]


@pytest.mark.parametrize(("size", "charts"), [((120, 40), True), ((80, 24), True), ((80, 18), False)])
@pytest.mark.usefixtures("four")
async def test_few_runs_leave_space_for_the_curves_of_one(
    app: TuitrainApp, size: tuple[int, int], charts: bool
) -> None:
    async with app.run_test(size=size) as pilot:
        await read(app, pilot)
        assert titles(app) == (["loss", "accuracy"] if charts else [])
        assert "digits · mlp 128-256 · adam 0.1 · 3 epochs · batch 64 · seed 1" in text(app)
        assert ("best val 82.00 %" in text(app)) is charts


async def test_many_runs_leave_no_space(app: TuitrainApp, write_run: WriteRun) -> None:
    for number in range(30):
        write_run(f"run-{number}")
    async with app.run_test(size=(120, 40)) as pilot:
        await read(app, pilot)
        assert titles(app) == []
        assert "val accuracy " in text(app)


@pytest.mark.usefixtures("four")
async def test_marked_runs_are_drawn_together(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("space", "space")
        await read(app, pilot)
        assert titles(app) == ["val loss", "val accuracy"]
        await pilot.press("A")
        await read(app, pilot)
        assert titles(app) == ["loss", "accuracy"]


async def test_a_row_of_seeds_is_drawn_as_their_mean(app: TuitrainApp, write_run: WriteRun) -> None:
    for seed in (0, 1):
        write_run("x", f"training.seed={seed}")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("T")
        await read(app, pilot)
        assert titles(app) == ["val loss", "val accuracy"]
        assert text(app).count("x ×2") >= 3
        assert "seed" not in next(line for line in lines(app) if "mlp 128-256 · adam" in line)


async def test_the_machine_is_measured(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("j")
        await tick(app, pilot)
        assert "memory" in lines(app)[0]
        assert "Three ways to begin" in text(app)
