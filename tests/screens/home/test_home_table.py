from pathlib import Path

import pytest

from screen_text import footer, lines, text
from screens.home.home_app import SIZES, Asked, WriteRun, names, selected, tick
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.charts.sparkline import sparkline
from tuitrain.widgets.tables.runs import RunTable


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("four")
async def test_help_and_quit_are_always_in_the_footer(app: TuitrainApp, runs_dir: Path, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert footer(app)[-2:] == ["help", "quit"]
        assert "quit" in lines(app)[-1]
        create_sweep(runs_dir, '[sweep.values]\n"optimizer.lr" = [0.1, 0.2]\n')
        app.screen.refresh_bindings()
        await pilot.pause()
        assert {"help", "quit"} <= set(footer(app))
        await pilot.resize_terminal(140, 30)
        await pilot.pause()
        await pilot.pause()
        assert footer(app) == ["open", "new", "mark", "compare", "filter", "sort", "columns", "clone", "delete",
                               "seeds", "sweeps", "help", "quit"]  # fmt: skip


@pytest.mark.usefixtures("four")
async def test_marks_are_compared_in_their_order_and_end_with_the_session(runs_dir: Path) -> None:
    app = Asked(runs_dir, ThreadHost())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert app.asked == ["20260104-a", "20260103-b", "20260102-c", "20260101-d"]
        await pilot.press("j", "space")
        assert selected(app) == "c"
        assert "1 marked" in lines(app)[0]
        assert "compare" in footer(app)
        await pilot.press("c")
        await pilot.pause()
        assert app.asked == ["20260103-b", "20260102-c"]
        await pilot.press("g", "space", "G", "c")
        await pilot.pause()
        assert app.asked == ["20260103-b", "20260104-a"]
        assert "differs from the marked runs" in text(app)
    again = TuitrainApp(app.runs_dir, ThreadHost())
    async with again.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "marked" not in lines(again)[0]
        assert [line.split()[0] for line in lines(again)[2:6]] == ["a", "b", "c", "d"]
        for key in ("a", "A"):
            await pilot.press("a")
            assert "4 marked" in lines(again)[0]
            await pilot.press(key)
            assert "marked" not in lines(again)[0]


@pytest.mark.usefixtures("four")
async def test_the_run_under_the_cursor_is_drawn(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await tick(app, pilot)
        assert "best val 82.00 %" in text(app)
        assert "─ loss ─" in text(app)
        await pilot.press("G")
        await tick(app, pilot)
        assert "NaN" in text(app)
        assert "d · 20260101-d" in text(app)


@pytest.mark.usefixtures("four")
async def test_while_others_are_sorted_around_it_the_cursor_stays_on_its_run(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("j")
        assert isinstance(app.screen, HomeScreen)
        app.screen.table_state.sort("optimizer.lr")
        await tick(app, pilot)
        assert (names(app)[0], selected(app)) == ("b", "b")
        app.screen.table_state.sort("optimizer.lr")
        await tick(app, pilot)
        assert (names(app)[-1], selected(app)) == ("b", "b")


async def test_only_lines_that_change_are_drawn_again(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("still", id="20260102")
    live = write_run("live", id="20260101", status="running")
    async with app.run_test(size=(120, 30)) as pilot:
        await tick(app, pilot)
        shown = app.screen.query_one(RunTable)
        before = list(shown._drawn)
        live.state_file.write_bytes(live.state_file.read_bytes().replace(b'"step": 40', b'"step": 57'))
        await tick(app, pilot)
        changed = [y for y, (old, new) in enumerate(zip(before, shown._drawn, strict=True)) if old != new]
        assert changed == [2]
        assert "running 95 %" in text(app)


def test_a_spark_shows_the_shape() -> None:
    assert sparkline([0, 1, 2, 3], 2) == "⡠⠊"
    assert sparkline([0, 1, 2, 3, 4], 5, braille=False) == "_.-~^"
    assert sparkline([], 5) == sparkline([float("nan")], 5) == ""
    assert sparkline([1.0, 1.0], 1) == "⣀"
    assert len(sparkline(list(range(1000)), 7)) == 7
    assert len(sparkline([1e308, -1e308, float("inf"), float("nan"), 0.0] * 50, 9)) == 9
