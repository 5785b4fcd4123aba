import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Input

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Score
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.runs.writer import encode_pretty
from tuitrain.screens.home import HomeScreen
from tuitrain.screens.results import ResultsScreen
from tuitrain.screens.sweep import SweepScreen
from tuitrain.screens.sweeps import SweepsScreen
from tuitrain.widgets.tables.sweep import SweepTable
from tuitrain.widgets.terminal.footer import FittingFooter

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


def text(app: TuitrainApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def footer(app: TuitrainApp) -> list[str]:
    return [key.description for key in app.screen.query_one(FittingFooter).keys]


def row(app: TuitrainApp, beginning: str) -> list[str]:
    """Return the words of the first matching line."""
    return next(line for line in text(app).splitlines() if line.strip().startswith(beginning)).split()


def effects(shown: str, value: str) -> list[list[str]]:
    """Return the last three numbers of each line that contains the value."""
    return [re.split(r"\s{2,}", line.strip())[-3:] for line in shown.splitlines() if f" {value} " in line]


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, SweepScreen | SweepsScreen)
    app.screen.tick()
    await pilot.pause()


@pytest.fixture
def app(runs_dir: Path) -> TuitrainApp:
    return TuitrainApp(runs_dir, ThreadHost())


@pytest.fixture
def write_sweep(runs_dir: Path, write_run: WriteRun) -> Callable[..., SweepFolder]:
    """Write a sweep in which the jobs in `seen` finished with the given validation accuracies."""

    def write(toml: str = GRID, seen: Done = SEEN) -> SweepFolder:
        folder = create_sweep(runs_dir, toml)
        for (trial, seed), accuracy in seen.items():
            best = Best(1, 1, Score(1.0, accuracy), Score(1.0, accuracy - 0.05))
            run = write_run(f"trial-{trial}-{seed}", best=best, test=Score(3.0, 0.1))
            folder.write_record(Job(trial, seed), Record(run.id))
        return folder

    return write


async def opened(app: TuitrainApp, pilot: Pilot[None], folder: SweepFolder) -> SweepScreen:
    app.push_screen(SweepScreen(folder))
    await pilot.pause()
    assert isinstance(app.screen, SweepScreen)
    return app.screen


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
        assert footer(app)[:2] == ["open", "runs"]
        assert row(app, "other")[:3] == ["other", "stopped", "0/10"]
        line = " ".join(row(app, "grid [red]x[/]"))
        assert "stopped 5/10 85.00 % optimizer=adam lr=0.1" in line
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
        assert "best trial 2: best val 85.00 % ± 7.07 % (n = 2) optimizer=adam lr=0.1" in shown
        assert row(app, "0")[1:] == ["✓", "finished", "sgd", "0.1", "10", "0", "50.00", "%", "45.00", "%", "6.0", "s"]
        assert "★ 90.00 %" in shown
        # The map: optimizers down, rates across, ascending.
        lines = [line.split("  ") for line in shown.splitlines() if line.strip().startswith(("sgd", "adam"))]
        cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
        assert cells[0][:3] == ["sgd", "70.00 %", "55.00 %"]
        assert cells[1][:3] == ["adam", "-", "85.00 %"]
        # The effects: the best trial of each value first, then the mean over all of its runs.
        assert "best test" in shown
        assert ["70.00 %", "60.00 %", "3"] in effects(shown, "sgd")
        assert ["85.00 %", "85.00 %", "2"] in effects(shown, "adam")
        assert footer(app)[:3] == ["open", "resume", "more"]


async def test_states_have_the_colours_of_a_new_theme(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep()
    app.theme = "tuitrain-dark"
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        app.theme = "tuitrain-light"
        await pilot.pause()
        cells = [cell for strip in app.screen._compositor.render_strips() for cell in strip if "✓" in cell.text]
        finished = Color.parse(app.theme_variables["success"]).rich_color
        assert finished in [cell.style.color for cell in cells if cell.style]
        assert len({cell.style.color for cell in cells if cell.style}) == 2  # the row under the cursor has its own


async def test_the_map_turns_and_shows_the_test(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        await pilot.press("y")
        assert "best val · rows lr, columns optimizer" in text(app)
        await pilot.press("v")
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
        assert row(app, "best val")[2:] == ["best", "trial", "mean", "n"]
        assert row(app, "sgd")[-5:] == ["70.00", "%", "60.00", "%", "3"]
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


async def test_a_run_that_is_not_made_yet_can_be_put_first(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        assert "first" not in footer(app)
        await pilot.press("G")
        await pilot.pause()
        assert "open" not in footer(app)
        await pilot.press("enter", "f")
        await pilot.pause()
        assert isinstance(app.screen, SweepScreen)
        assert folder.jobs()[0] == Job(4, 1)
        selected = app.screen.query_one(SweepTable).selected
        assert selected is not None
        assert selected.job == Job(4, 1)


async def test_pause_and_stop_of_an_active_sweep(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    folder.update_session(0)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        assert "running · 5 of 10 runs" in text(app)
        assert "resume" not in footer(app)
        await pilot.press("p")
        await pilot.pause()
        assert folder.control().paused
        assert "paused · 5 of 10 runs" in text(app)
        assert "resume" in footer(app)
        assert "pause" not in footer(app)
        await pilot.press("p", "s")
        await pilot.pause()
        assert not folder.control().paused
        assert folder.control().stopped > 0
        folder.log_file.write_text("a line\ntuitrain: No [red]disk[/].\n")
        folder.remove_session()
        await tick(app, pilot)
        assert "stopped · 5 of 10 runs" in text(app)
        assert [note.message for note in app._notifications][-1] == "No [red]disk[/]."


async def more(pilot: Pilot[None], what: str, *answers: str) -> None:
    """Press m, choose what to extend, and enter values until one is accepted."""
    await pilot.press("m")
    await pilot.pause()
    await pilot.press(*what, "enter")
    await pilot.pause()
    for answer in answers:
        pilot.app.screen.query_one(Input).value = answer
        await pilot.press("enter")
        await pilot.pause()


async def test_more_of_a_sweep(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        await more(pilot, "seeds", "1")
        assert "sweep.seeds = 1 is not allowed: the sweep already has 2" in text(app)
        await pilot.press("escape")
        await more(pilot, "seeds", "3")
        assert "5 of 15 runs" in text(app)
        await more(pilot, "parallel", "2")
        assert folder.sweep().options.parallel == 2
        await more(pilot, "add", "optimizer.lx=1", "optimizer.name=sgd optimizer.lr=0.1")
        assert "The sweep already has this trial" in text(app)
        await pilot.press("escape")
        await more(pilot, "add", "optimizer.lr=0.5, 1 optimizer.momentum=0.9 optimizer.name=sgd")
        assert "5 of 21 runs" in text(app)
        assert [folder.values(trial) for trial in (5, 6)] == [
            {"optimizer.lr": lr, "optimizer.momentum": 0.9, "optimizer.name": "sgd"} for lr in (0.5, 1.0)
        ]


async def test_the_seed_is_that_of_the_run(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep("[training]\nseed = 40\n" + GRID)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        seeds = [cells[5] for cells in app.screen.query_one(SweepTable)._rows.values()]
        assert seeds == ["40"] * 5 + ["41"] * 5


async def test_a_damaged_sweep_says_so(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        folder.sweep_file.write_text("[sweep]\nseeds = \x1b", encoding="utf-8")
        await tick(app, pilot)
        assert "sweep.toml is damaged" in text(app)
        assert "\x1b" not in text(app)
        app.pop_screen()
        app.action_sweeps()
        await pilot.pause()
        assert ["sweep.toml is damaged" in notification.message for notification in app._notifications] == [True]


async def test_only_the_end_of_a_sweep_is_announced(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder], write_run: WriteRun
) -> None:
    folder = write_sweep()
    folder.update_session(0)
    run = write_run("trial-1-1", status="running")
    info = run.info()
    info.parent = folder.id
    run.info_file.write_bytes(encode_pretty(info))
    folder.write_record(Job(1, 1), Record(run.id))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        home = app.screen
        assert isinstance(home, HomeScreen)
        run.state_file.write_bytes(encode_pretty(msgspec.structs.replace(run.state(), status="finished")))
        home.tick()
        await pilot.pause()
        assert not app._notifications
        folder.remove_session()
        home.tick()
        await pilot.pause()
        assert [notification.message for notification in app._notifications] == [
            "sweep grid [red]x[/]: stopped, 6 of 10 runs. S shows it."
        ]
