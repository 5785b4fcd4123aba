"""Control a sweep from its screen."""

from collections.abc import Callable

import msgspec
from textual.pilot import Pilot
from textual.widgets import Input

from screen_text import footer, text
from screens.sweep.sweep_app import WriteRun, opened
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.runs.writer import encode_pretty
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.sweep.list import SweepsScreen
from tuitrain.screens.sweep.screen import SweepScreen
from tuitrain.widgets.tables.sweep import SweepTable


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, SweepScreen | SweepsScreen)
    app.screen.tick()
    await pilot.pause()


async def test_a_run_that_is_not_made_yet_can_be_put_first(
    app: TuitrainApp, write_sweep: Callable[..., SweepFolder]
) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        assert "prioritize" not in footer(app)
        await pilot.press("G")
        await pilot.pause()
        assert "open" not in footer(app)
        await pilot.press("enter", "P")
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
        await app.workers.wait_for_complete()
        assert not folder.control().paused
        assert folder.control().stopped > 0
        folder.log_file.write_text("a line\ntuitrain: No [red]disk[/].\n")
        folder.remove_session()
        await tick(app, pilot)
        assert "stopped · 5 of 10 runs" in text(app)
        assert [note.message for note in app._notifications][-1] == "No [red]disk[/]."


async def more(pilot: Pilot[None], what: str, *answers: str) -> None:
    """Press m, choose what to extend, and enter values until one is accepted."""
    await pilot.press("n")
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


async def test_a_damaged_sweep_says_so(app: TuitrainApp, write_sweep: Callable[..., SweepFolder]) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, folder)
        folder.sweep_file.write_text("[sweep]\nseeds = \x1b", encoding="utf-8")
        await tick(app, pilot)
        assert "sweep.toml is damaged" in text(app)
        assert "\x1b" not in text(app)
        await pilot.press("escape", "S")
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
            "sweep grid [red]x[/]: stopped, 6 of 10 runs. Press S on the home screen to open it."
        ]
