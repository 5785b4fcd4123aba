import re
from collections.abc import Callable

import pytest
from textual.color import Color

from screen_text import footer, strips, text
from screens.sweep.sweep_app import GRID, WriteRun, opened
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job
from tuitrain.runs.writer import RunWriter
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.sweep.list import SweepsScreen
from tuitrain.screens.sweep.screen import SweepScreen
from tuitrain.widgets.tables.sweep import SweepTable


def row(app: TuitrainApp, beginning: str) -> list[str]:
    """Return the words of the first matching line."""
    return next(line for line in text(app).splitlines() if line.strip().startswith(beginning)).split()


def effects(shown: str, value: str) -> list[list[str]]:
    """Return the last three numbers of each line that contains the value."""
    return [re.split(r"\s{2,}", line.strip())[-3:] for line in shown.splitlines() if f" {value} " in line]


async def test_s_opens_the_only_sweep(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("S")
        await pilot.pause()
        assert isinstance(app.screen, SweepScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, SweepScreen)


async def test_of_many_sweeps_one_is_chosen(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    write_sweep(GRID.replace("grid [red]x[/]", "other"), {})
    write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        app.action_sweeps()
        await pilot.pause()
        assert isinstance(app.screen, SweepsScreen)
        assert "2 sweeps" in text(app)
        assert footer(app)[:2] == ["open", "back"]
        assert row(app, "other")[:3] == ["other", "stopped", "0/10"]
        line = " ".join(row(app, "grid [red]x[/]"))
        assert "stopped 5/10 best val 85.00 % optimizer=adam lr=0.1" in line
        assert line.endswith((" ago", "now"))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, SweepScreen)


async def test_without_sweeps_the_key_is_hidden(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("S")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert "sweeps" not in footer(app)


async def test_all_is_seen_on_a_wide_screen(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        shown = text(app)
        assert "grid [red]x[/] · stopped · 5 of 10 runs" in shown
        assert "best trial 2: best val by loss 85.00 % ± 7.07 % (n = 2) optimizer=adam lr=0.1" in shown
        assert row(app, "0")[1:] == ["✓", "finished", "sgd", "0.1", "10", "0", "50.00", "%", "45.00", "%", "6.0", "s"]
        assert "★ 90.00 %" in shown
        # The map: optimizers down, rates across, ascending.
        lines = [line.split("  ") for line in shown.splitlines() if line.strip().startswith(("sgd", "adam"))]
        cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
        assert cells[0][:3] == ["sgd", "70.00 %", "55.00 %"]
        assert cells[1][:3] == ["adam", "-", "85.00 %"]
        # The effects: the mean over all runs of each value, then its best trial.
        assert "best test" in shown
        assert ["60.00 %", "70.00 %", "3"] in effects(shown, "sgd")
        assert ["85.00 %", "85.00 %", "2"] in effects(shown, "adam")
        assert footer(app)[:3] == ["open", "resume", "mark"]


async def test_states_have_the_colours_of_a_new_theme(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep()
    app.theme = "tuitrain-dark"
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        app.theme = "tuitrain-light"
        await pilot.pause()
        cells = [cell for strip in strips(app) for cell in strip if "✓" in cell.text]
        finished = Color.parse(app.theme_variables["success"]).rich_color
        assert finished in [cell.style.color for cell in cells if cell.style]
        assert len({cell.style.color for cell in cells if cell.style}) == 2  # the row under the cursor has its own


async def test_the_map_turns_and_shows_the_test(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        await pilot.press("X")
        assert "best val · rows lr, columns optimizer" in text(app)
        await pilot.press("m")
        assert "best test · rows lr, columns optimizer" in text(app)
        assert row(app, "0.01")[:4] == ["0.01", "65.00", "%", "-"]


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_pages_on_a_small_screen(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder], size: tuple[int, int]
) -> None:
    folder = write_sweep()
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, folder)
        assert app.screen.query_one(SweepTable).display
        assert "rows optimizer" not in text(app)
        await pilot.press("2")
        await pilot.pause()
        assert "rows optimizer, columns lr" in text(app)
        assert not app.screen.query_one(SweepTable).display
        await pilot.press("3")
        await pilot.pause()
        assert row(app, "best val")[2:] == ["mean", "best", "trial", "n"]
        assert row(app, "sgd")[-5:] == ["60.00", "%", "70.00", "%", "3"]
        await pilot.press("1")
        await pilot.pause()
        assert app.focused is app.screen.query_one(SweepTable)


async def test_enter_opens_the_run(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        await pilot.press("j", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert app.screen.run.info.name == "trial-1-0"


async def test_the_best_come_first_where_that_is_asked_for(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, folder)
        await pilot.press("o")
        await pilot.pause()
        table = app.screen.query_one(SweepTable)
        assert [one.job for one in table._outcomes[:6]] == [
            Job(2, 0), Job(2, 1), Job(1, 0), Job(0, 1), Job(0, 0), Job(3, 0)]  # fmt: skip
        assert table.virtual_size.width <= 80
        await pilot.press("g", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert app.screen.run.info.name == "trial-2-0"


async def test_the_seed_is_that_of_the_run(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep("[training]\nseed = 40\n" + GRID)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        seeds = [cells[5] for cells in app.screen.query_one(SweepTable)._rows.values()]
        assert seeds == ["40"] * 5 + ["41"] * 5


async def test_marked_runs_are_compared(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, folder)
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        assert app.screen.grouped
        assert len(app.screen.runs) == 5
        await pilot.press("escape", "space", "space")
        await pilot.pause()
        first, second = list(screen.markers.values())
        assert re.search(rf"{first.marker} 0 .*\n.*{second.marker} 1 ", text(app))
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        assert (list(app.screen.runs), app.screen.grouped) == (list(screen.markers), False)
        await pilot.press("escape", "up", "space")
        await pilot.pause()
        assert len(screen.markers) == 1


async def test_the_reason_of_a_failure_is_shown(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    run = folder.run(Job(trial=1, seed=0))
    assert run is not None
    writer = RunWriter(run)
    writer.update(status="failed", reason="The loss became [b]NaN[/b].", now=True)
    writer.close()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, folder)
        assert "NaN" not in text(app)
        await pilot.press("down")
        await pilot.pause()
        assert "trial 1: The loss became [b]NaN[/b]." in text(app)


async def test_a_sweep_of_failures_says_why(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep('[sweep]\n[sweep.values]\n"optimizer.lr" = [1.0, 2.0]\n', {(0, 0): 0.5, (1, 0): 0.5})
    for trial in (0, 1):
        run = folder.run(Job(trial=trial, seed=0))
        assert run is not None
        writer = RunWriter(run)
        writer.update(status="failed", reason="The loss became NaN.", now=True)
        writer.close()
    write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        assert "trial 0: The loss became NaN." in text(app)
        assert "no trial has a score" in text(app)
        await pilot.press("escape", "S")
        assert "all failed" in text(app)
