"""Choose, sort and scroll the columns of the runs table."""

import pytest
from textual.widgets import OptionList

from screen_text import lines, text
from screens.home.home_app import SIZES, names, tick, write
from tuitrain.app.app import TuitrainApp
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.forms.pick_list import PickList


def header(app: TuitrainApp) -> str:
    return next(line for line in lines(app) if line.split()[:1] == ["run"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("four")
async def test_the_settings_that_differ_and_the_results_are_shown(app: TuitrainApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        words = header(app).split()
        assert words[: 4 if size[0] >= 80 else 3] == ["run", *["status"] * (size[0] >= 80), "opt", "lr"]
        assert "time" in words
        assert "best val" in header(app)
        assert "act" not in words
        assert all(len(line) <= size[0] for line in lines(app))
        if size[0] == 120:
            assert words == ["run", "status", "opt", "lr", "seed", "best", "val", "best", "test", "time"]


@pytest.mark.usefixtures("four")
async def test_the_column_of_the_order_is_always_seen(app: TuitrainApp) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("o")
        await pilot.pause()
        await write(pilot, "last val loss")
        await pilot.press("enter")
        await pilot.pause()
        assert "last val loss ↑" in header(app)


@pytest.mark.usefixtures("four")
async def test_sorting_by_a_setting_and_back(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        for arrow, order in (("↑", ["b", "a", "c", "d"]), ("↓", ["d", "a", "c", "b"])):
            await pilot.press("o")
            await pilot.pause()
            assert isinstance(app.screen, PickList)
            await write(pilot, "lr")
            await pilot.press("enter")
            await pilot.pause()
            assert names(app) == order
            assert f"lr {arrow}" in header(app)
        await pilot.press("o")
        await pilot.press("enter")
        await pilot.pause()
        assert names(app) == ["a", "b", "c", "d"]
        await pilot.press("o")
        await pilot.press("escape")
        assert names(app) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("four")
async def test_in_a_list_one_types_to_find(app: TuitrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await pilot.pause()
        listed = app.screen.query_one(OptionList)
        everything = listed.option_count
        await write(pilot, "momentum")
        assert 0 < listed.option_count < everything
        await write(pilot, "zzz")
        assert "No match" in text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, PickList)


@pytest.mark.usefixtures("four")
async def test_columns_are_chosen_and_left_to_the_program_again(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("vertical_line")
        await pilot.pause()
        await write(pilot, "batch")
        await pilot.press("down", "up", "space")
        await pilot.pause()
        assert "[x] batch" in text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "batch" in header(app).split()
        await pilot.press("vertical_line")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "batch" not in header(app).split()


@pytest.mark.usefixtures("four")
async def test_the_header_marks_hidden_columns(app: TuitrainApp) -> None:
    async with app.run_test(size=(40, 20)) as pilot:
        assert header(app).rstrip().endswith(" …")
        await pilot.resize_terminal(160, 20)
        await tick(app, pilot)
        assert not header(app).rstrip().endswith("…")
        assert isinstance(app.screen, HomeScreen)
        await pilot.resize_terminal(60, 20)
        app.screen.table_state.choose_columns(["status", "id", "test", "val", "best", "train", "time", "data.dataset"])
        await tick(app, pilot)
        assert header(app).rstrip().endswith(" ›")
        await pilot.press(*["l"] * 10)
        await pilot.pause()
        assert "›" not in text(app)


@pytest.mark.usefixtures("four")
async def test_more_columns_than_fit_are_scrolled_sideways_beside_the_name(app: TuitrainApp) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
        assert isinstance(app.screen, HomeScreen)
        app.screen.table_state.choose_columns(["status", "id", "test", "val", "best", "train", "time", "data.dataset"])
        await tick(app, pilot)
        assert "train" not in header(app)
        for _ in range(9):
            await pilot.press("l")
        await pilot.pause()
        line = next(line for line in lines(app) if line.split()[:1] == ["run"])
        assert "train" in line
        assert "status" not in line
        assert [line.split()[0] for line in lines(app)[2:6]] == ["a", "b", "c", "d"]
