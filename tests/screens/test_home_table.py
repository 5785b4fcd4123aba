from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.screens.choose import ChooseScreen
from tuitrain.screens.home import HomeScreen
from tuitrain.screens.prompt import PromptScreen
from tuitrain.widgets.charts.sparkline import sparkline
from tuitrain.widgets.messages import OpenComparison
from tuitrain.widgets.tables.runs import RunTable
from tuitrain.widgets.terminal.footer import FittingFooter

WriteRun = Callable[..., RunFolder]
SIZES = [(60, 20), (80, 24), (120, 40)]


def lines(app: TuitrainApp) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


def text(app: TuitrainApp) -> str:
    return "\n".join(lines(app))


def names(app: TuitrainApp) -> list[str]:
    return [entry.info.name for entry in app.screen.query_one(RunTable).entries]


def selected(app: TuitrainApp) -> str:
    entry = app.screen.query_one(RunTable).selected
    assert entry is not None
    return entry.info.name


def footer(app: TuitrainApp) -> list[str]:
    return [key.description for key in app.screen.query_one(FittingFooter).keys]


def header(app: TuitrainApp) -> str:
    return next(line for line in lines(app) if " run " in line and "status" in line)


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, HomeScreen)
    app.screen.tick()
    await pilot.pause()


async def write(pilot: Pilot[None], typed: str) -> None:
    keys = {" ": "space", ">": "greater_than_sign", "<": "less_than_sign", "=": "equals_sign", "%": "percent_sign",
            "-": "minus", ".": "full_stop", ":": "colon"}  # fmt: skip
    await pilot.press(*(keys.get(letter, letter) for letter in typed))
    await pilot.pause()


@pytest.fixture
def app(runs_dir: Path) -> TuitrainApp:
    return TuitrainApp(runs_dir, ThreadHost())


@pytest.fixture
def four(write_run: WriteRun) -> list[RunFolder]:
    """Newest first: a, b, c and d."""
    return [
        write_run("a", "optimizer.lr=0.1", "training.seed=1", id="20260104-a"),
        write_run("b", "optimizer.lr=0.01", "training.seed=2", id="20260103-b"),
        write_run("c", "optimizer.name=sgd", "optimizer.lr=0.1", id="20260102-c"),
        write_run("d", "optimizer.name=sgd", "optimizer.lr=0.5", id="20260101-d", status="failed", reason="NaN"),
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("four")
async def test_the_settings_that_differ_and_the_results_are_shown(app: TuitrainApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        words = header(app).split()
        assert words[:4] == ["run", "status", "opt", "lr"]
        assert "best val" in header(app)
        assert "act" not in words
        assert all(len(line) <= size[0] for line in lines(app))
        if size[0] == 120:
            assert words == ["run", "status", "opt", "lr", "seed", "best", "val", "best", "test", "time"]


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
        assert footer(app) == ["open", "new", "mark", "filter", "sort", "columns", "clone", "delete", "seeds",
                               "sweeps", "help", "quit"]  # fmt: skip


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
        assert footer(app) == ["apply", "complete", "clear"]
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
async def test_the_column_of_the_order_is_always_seen(app: TuitrainApp) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("s")
        await pilot.pause()
        await write(pilot, "last val loss")
        await pilot.press("enter")
        await pilot.pause()
        assert "last val loss ↑" in header(app)


@pytest.mark.usefixtures("four")
async def test_sorting_by_a_setting_and_back(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        for arrow, order in (("↑", ["b", "a", "c", "d"]), ("↓", ["d", "a", "c", "b"])):
            await pilot.press("s")
            await pilot.pause()
            assert isinstance(app.screen, ChooseScreen)
            await write(pilot, "lr")
            await pilot.press("enter")
            await pilot.pause()
            assert names(app) == order
            assert f"lr {arrow}" in header(app)
        await pilot.press("s")
        await pilot.press("enter")
        await pilot.pause()
        assert names(app) == ["a", "b", "c", "d"]
        await pilot.press("s")
        await pilot.press("escape")
        assert names(app) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("four")
async def test_in_a_list_one_types_to_find(app: TuitrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        await pilot.pause()
        listed = app.screen.query_one(OptionList)
        everything = listed.option_count
        await write(pilot, "momentum")
        assert 0 < listed.option_count < everything
        await write(pilot, "zzz")
        assert "No match" in text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, ChooseScreen)


@pytest.mark.usefixtures("four")
async def test_columns_are_chosen_and_left_to_the_program_again(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("o")
        await pilot.pause()
        await write(pilot, "batch")
        await pilot.press("down", "up", "space")
        await pilot.pause()
        assert "[x] batch" in text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "batch" in header(app).split()
        await pilot.press("o")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "batch" not in header(app).split()


@pytest.mark.usefixtures("four")
async def test_the_header_marks_hidden_columns(app: TuitrainApp) -> None:
    async with app.run_test(size=(60, 20)) as pilot:
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


class Asked(TuitrainApp):
    """Records the requested comparison instead of opening it."""

    def on_open_comparison(self, message: OpenComparison) -> None:
        message.prevent_default()
        self.asked = [folder.id for folder in message.folders]


@pytest.mark.usefixtures("four")
async def test_marks_are_compared_in_their_order_and_end_with_the_session(runs_dir: Path) -> None:
    app = Asked(runs_dir, ThreadHost())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("c")
        assert not hasattr(app, "asked")
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


async def test_rename_tag_and_note(app: TuitrainApp, four: list[RunFolder]) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        for key, typed in (("R", "better"), ("t", "good fast"), ("t", "old -fast"), ("N", "why"), ("N", " so?")):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, PromptScreen)
            await write(pilot, typed)
            await pilot.press("enter")
            await pilot.pause()
        info = four[0].info()
        assert (info.name, info.tags, info.notes) == ("better", ["good", "old"], "why so?")
        assert selected(app) == "better"
        assert "#good #old" in text(app)
        assert "why so?" in text(app)


async def test_tags_of_all_that_are_marked(app: TuitrainApp, four: list[RunFolder]) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("space", "space", "k", "t")
        await pilot.pause()
        await write(pilot, "x y")
        await pilot.press("enter")
        await pilot.pause()
        assert [folder.info().tags for folder in four] == [["x", "y"], ["x", "y"], [], []]


async def test_a_deleted_run_is_restored(app: TuitrainApp, four: list[RunFolder], runs_dir: Path) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        assert "undo" not in footer(app)
        await pilot.press("j", "x")
        await pilot.pause()
        assert names(app) == ["a", "c", "d"]
        assert not four[1].path.exists()
        assert selected(app) == "c"
        assert "undo" in footer(app)
        assert "b deleted (u undoes)" in lines(app)[0]
        await pilot.press("u")
        await pilot.pause()
        assert "u undoes" not in text(app)
        assert selected(app) == "b"
        assert names(app) == ["a", "b", "c", "d"]
        assert [folder.id for folder in folders(runs_dir)] == [folder.id for folder in four]
        assert "undo" not in footer(app)


async def test_an_active_run_cannot_be_deleted(app: TuitrainApp, write_run: WriteRun) -> None:
    folder = write_run("live", status="running")
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "delete" not in footer(app)
        await pilot.press("x")
        await pilot.pause()
        assert folder.path.is_dir()


@pytest.mark.usefixtures("four")
async def test_the_run_under_the_cursor_is_drawn(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await tick(app, pilot)
        assert "val accuracy" in text(app)
        assert "82.00 %" in text(app)
        assert "train loss" in text(app)
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
