"""Filter the runs table."""

from pathlib import Path

import pytest
from textual.widgets import Input

from screen_text import footer, lines, text
from screens.home.home_app import SIZES, Asked, names, selected, tick, write
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.widgets.tables.runs import RunTable


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("four")
async def test_the_filter_works_as_one_types(app: TuitrainApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.press("slash")
        await write(pilot, "opt=sgd")
        assert names(app) == ["c", "d"]
        assert "2 of 4" in text(app)
        await write(pilot, " lr>0.2")
        assert names(app) == ["d"]
        assert footer(app) == ["apply", "complete", "clear", "help"]
        assert "F1 help" in text(app)
        await pilot.press("enter")
        assert isinstance(app.focused, RunTable)
        assert selected(app) == "d"
        assert "opt=sgd lr>0.2" in text(app)
        await pilot.press("escape")
        assert names(app) == ["a", "b", "c", "d"]
        assert "opt=sgd" not in text(app)


@pytest.mark.usefixtures("four")
async def test_the_rows_come_back_after_a_filter_that_found_nothing(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        before = lines(app)[1:6]
        await pilot.press("slash")
        await write(pilot, "zz")
        assert not app.screen.query_one(RunTable).display
        await pilot.press("escape")
        await pilot.pause()
        await pilot.pause()
        assert lines(app)[1:6] == before


@pytest.mark.usefixtures("four")
async def test_a_wrong_filter_says_so_and_changes_nothing(app: TuitrainApp) -> None:
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("slash")
        await write(pilot, "opt=sgd tset>1")
        assert "Unknown column 'tset'. Did you mean test?" in text(app)
        assert app.screen.query_one(Input).value == "opt=sgd tset>1"
        assert names(app) == ["c", "d"]
        await pilot.press(*["backspace"] * 6)
        await write(pilot, "test>1%")
        assert "Unknown column" not in text(app)
        assert names(app) == ["c", "d"]


@pytest.mark.usefixtures("four")
async def test_a_filter_without_matches_keeps_its_text(app: TuitrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash")
        await write(pilot, "lr>9")
        assert "No run matches the filter" in text(app)
        await tick(app, pilot)
        assert isinstance(app.focused, Input)
        await pilot.press("enter")
        await tick(app, pilot)
        assert "No run matches the filter" in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert names(app) == ["a", "b", "c", "d"]
        assert isinstance(app.focused, RunTable)


@pytest.mark.usefixtures("four")
async def test_tab_completes_names_and_values(app: TuitrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash")
        await write(pilot, "optim")
        await pilot.press("tab")
        await write(pilot, "=s")
        await pilot.press("tab")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "optimizer=sgd"
        assert isinstance(app.focused, Input)
        assert names(app) == ["c", "d"]


@pytest.mark.usefixtures("four")
async def test_marked_runs_that_the_filter_hides_are_counted_and_not_compared(runs_dir: Path) -> None:
    app = Asked(runs_dir, ThreadHost())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("space", "space", "slash")
        await write(pilot, "opt=sgd")
        await pilot.press("enter")
        assert "2 marked (2 hidden)" in lines(app)[0]
        assert "compare" not in footer(app)
        await pilot.press("space", "c", "a")
        await pilot.pause()
        assert "4 marked (2 hidden)" in lines(app)[0]
        await pilot.press("c")
        await pilot.pause()
        assert app.asked == ["20260102-c", "20260101-d"]
        await pilot.press("A")
        assert " marked" not in lines(app)[0]


@pytest.mark.usefixtures("four")
async def test_the_cursor_comes_back_to_its_run_after_a_filter_that_hid_it(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        for typed, meanwhile, under, after in (
            ("opt=sgd lr>0.2", (), "d", "c"),
            ("lr=0.01", (), "b", "c"),
            ("zzz", (), None, "c"),
            ("lr!=0.1", ("G", "g"), "b", "b"),
        ):
            await pilot.press("g", "j", "j", "slash")
            await write(pilot, typed)
            await pilot.press("enter", *meanwhile)
            if under:
                assert selected(app) == under
            await pilot.press("escape")
            await pilot.pause()
            assert selected(app) == after


@pytest.mark.usefixtures("four")
async def test_the_cursor_stays_on_a_run_that_was_opened_while_filtered(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("slash", *"name:c", "enter", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert footer(app)[0:2] == ["open", "show all"]
        await pilot.press("escape")
        await pilot.pause()
        assert names(app) == ["a", "b", "c", "d"]
        assert selected(app) == "c"
