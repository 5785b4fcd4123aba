from collections.abc import Callable
from pathlib import Path

import pytest
from textual.color import Color
from textual.pilot import Pilot

from screen_text import footer, lines, strips, text
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.widgets.tables.runs import SIGNS, RunTable

WriteRun = Callable[..., RunFolder]
OFFERED = ["open", "new", "mark", "filter", "sort", "columns", "clone", "delete", "seeds", "help", "quit"]
SIZES = [(60, 20), (80, 24), (120, 40)]
HOSTILE = "\x1b[2J[red]x[/] [@click=app.quit]y[/]"


def table(app: TuitrainApp) -> RunTable:
    return app.screen.query_one(RunTable)


def selected(app: TuitrainApp) -> str:
    entry = table(app).selected
    assert entry is not None
    return entry.info.name


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, HomeScreen | ResultsScreen | TrainingScreen)
    app.screen.tick()
    await pilot.pause()


async def test_an_empty_folder_shows_a_hint(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "No runs yet" in text(app)
            assert "n   set up a run" in text(app)
            assert "Three ways to begin" in text(app)
            assert "0 runs" in lines(app)[0]
            assert footer(app) == ["new", "help", "quit"]
        await pilot.press("enter", "y", "r", "j", "G")
        assert isinstance(app.screen, HomeScreen)


async def test_n_opens_the_form(app: TuitrainApp) -> None:
    async with app.run_test() as pilot:
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)


async def test_contents_of_a_row(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("adam-relu", "data.dataset=mnist", "optimizer.lr=0.25", reason="Stopped early.")
    async with app.run_test(size=(140, 30)) as pilot:
        await pilot.pause()
        row = next(line for line in lines(app) if "adam-relu" in line)
        numbers = ["0.25", "3", "82.00", "%", "90.00", "%", "6.0", "s"]
        assert row.split() == ["adam-relu", "✓", "finished", "mnist", "mlp", "128-256", "relu", "adam", *numbers]
        assert "Stopped early." in text(app)
        assert "mnist · mlp 128-256 · adam 0.25 · 3 epochs" in text(app)
        assert footer(app) == OFFERED


async def test_runs_of_every_kind(app: TuitrainApp, write_run: WriteRun) -> None:
    for status in ("queued", "running", "paused", "finished", "stopped", "failed"):
        write_run(f"is-{status}", status=status)
    write_run("is-interrupted", status="running", dead=True)
    write_run("is-damaged").state_file.unlink()
    async with app.run_test(size=(120, 40)) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for status in ("starting", "running 67 %", "paused 67 %", "finished", "stopped", "failed", "interrupted"):
                # A queued run that has a process and waits for nothing is about to start.
                word = status.partition(" ")[0].replace("starting", "queued")
                (row,) = (line for line in lines(app)[:10] if f"is-{word}" in line)
                assert (status if size[0] >= 120 else SIGNS[word]) in row
            assert "damaged" in text(app)
            assert "8 runs, 1 running, 1 paused, 1 interrupted, 1 " in lines(app)[0]


async def test_the_cursor_stays_on_its_run_when_others_come_and_go(app: TuitrainApp, write_run: WriteRun) -> None:
    for number in (1, 2, 3):
        write_run(f"run-{number}", id=f"2026010{number}")
    async with app.run_test() as pilot:
        await pilot.press("j")
        assert selected(app) == "run-2"
        write_run("run-4", id="20260104")
        gone = write_run("run-0", id="20260100")
        await tick(app, pilot)
        assert selected(app) == "run-2"
        assert [line.split()[0] for line in lines(app) if "run-" in line][:5] == [f"run-{n}" for n in (4, 3, 2, 1, 0)]
        gone.path.rename(gone.path.with_name(".gone"))
        await tick(app, pilot)
        assert selected(app) == "run-2"
        await pilot.press("G")
        assert selected(app) == "run-1"
        await pilot.press("g")
        assert selected(app) == "run-4"


@pytest.mark.parametrize(("before", "after"), [("dark", "light"), ("light", "dark")])
async def test_the_cursor_stays_where_it_is_when_the_theme_changes(
    app: TuitrainApp, write_run: WriteRun, before: str, after: str
) -> None:
    for number in (1, 2, 3):
        write_run(f"run-{number}", id=f"2026010{number}")
    app.theme = f"tuitrain-{before}"
    async with app.run_test() as pilot:
        await pilot.press("j")
        await pilot.pause()
        app.theme = f"tuitrain-{after}"
        await pilot.pause()
        assert selected(app) == "run-2"
        panel = Color.parse(app.theme_variables["panel"]).rich_color
        name = strips(app)[table(app).region.y + 2]
        assert {segment.style.bgcolor for segment in list(name)[1:-1] if segment.style} == {panel}


async def test_a_table_longer_than_the_screen_follows_the_cursor(app: TuitrainApp, write_run: WriteRun) -> None:
    for number in range(30):
        write_run(f"run-{number:02}", id=f"202601{number:02}")
    async with app.run_test(size=(60, 20)) as pilot:
        while len(app.screen.query_one(RunTable).entries) < 30:
            await pilot.pause(0.01)
        await pilot.press("G")
        await pilot.pause()
        assert "run-00" in text(app)
        write_run("run-30", id="20260130")
        await tick(app, pilot)
        assert selected(app) == "run-00"
        assert "run-00" in text(app)
        assert "run-30" not in text(app)


async def test_cells_change_while_the_run_is_active(app: TuitrainApp, write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "running 67 %" in text(app)
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"step": 40', b'"step": 57'))
        await tick(app, pilot)
        assert "running 95 %" in text(app)


@pytest.mark.parametrize(
    ("status", "dead", "screen"),
    [
        ("queued", False, TrainingScreen),
        ("running", False, TrainingScreen),
        ("paused", False, TrainingScreen),
        ("running", True, ResultsScreen),
        ("finished", False, ResultsScreen),
        ("stopped", False, ResultsScreen),
        ("failed", False, ResultsScreen),
    ],
)
async def test_enter_opens_active_runs_live_and_ended_ones_with_results(
    app: TuitrainApp, write_run: WriteRun, status: str, dead: bool, screen: type
) -> None:
    folder = write_run("one", status=status, dead=dead)
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen | ResultsScreen)
        assert isinstance(app.screen, screen)
        assert app.screen.run.folder.path == folder.path
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_a_run_that_ran_out_of_memory_offers_one_that_fits(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("large", status="failed", fitting={"data.batch_size": 16})
    async with app.run_test(size=(160, 30)) as pilot:
        await pilot.pause()
        assert "fit memory" in footer(app)
        await pilot.press("Z")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)
        assert app.screen.form.fields["data.batch_size"].text == "16"


async def test_y_fills_the_form_with_the_runs_settings(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("mine", "optimizer.lr=0.125", "optimizer.name=sgd")
    async with app.run_test() as pilot:
        await pilot.press("y")
        await pilot.pause()
        form = app.screen
        assert isinstance(form, NewRunScreen)
        texts = {key: field.text for key, field in form.form.fields.items()}
        assert (texts["name"], texts["optimizer.lr"], texts["optimizer.name"]) == ("mine", "0.125", "sgd")
        assert texts["training.epochs"] == "3"


async def test_a_damaged_run_offers_only_what_works(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("good", id="20260102")
    write_run("bad", id="20260101").info_file.write_text("{")
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "clone" in footer(app)
        await pilot.press("j")
        await pilot.pause()
        assert footer(app) == [
            "open",
            "new",
            "mark",
            "compare",
            "filter",
            "sort",
            "columns",
            "delete",
            "seeds",
            "help",
            "quit",
        ]
        await pilot.press("y", "r")
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "run.json is damaged" in text(app)


async def test_only_resumable_runs_offer_resume(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("stopped", id="20260103", status="stopped")
    write_run("finished", id="20260102")
    write_run("gone", id="20260101", status="running", dead=True)
    async with app.run_test(size=(120, 30)) as pilot:
        offered = []
        for _ in range(3):
            await pilot.pause()
            offered.append((selected(app), "resume" in footer(app)))
            await pilot.press("j")
        assert offered == [("stopped", True), ("finished", False), ("gone", True)]


async def test_hostile_names_are_text(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run(HOSTILE, classes=[HOSTILE] * 3, reason=HOSTILE, id="\x1b[2J[red]id")
    async with app.run_test(size=(120, 40)) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "�[2J[red]x" in text(app)
            assert "�[2J[red]id" in text(app)
            assert "\x1b" not in text(app)


async def test_an_unreadable_folder_is_reported_and_read_later(
    app: TuitrainApp, runs_dir: Path, write_run: WriteRun
) -> None:
    runs_dir.touch()
    async with app.run_test(size=(120, 30)) as pilot:
        await tick(app, pilot)
        # Wherever the line is broken.
        assert "cannot be read: Not a directory." in " ".join(text(app).split())
        assert footer(app) == ["new", "help", "quit"]
        runs_dir.unlink()
        write_run("one")
        await tick(app, pilot)
        await tick(app, pilot)
        assert selected(app) == "one"
        assert footer(app) == OFFERED
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)


async def test_while_it_is_covered_nothing_is_read(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("one")
    async with app.run_test() as pilot:
        await pilot.pause()
        home = app.screen
        assert isinstance(home, HomeScreen)
        assert home._timer is not None
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.screen is not home
        assert home._timer is None
        write_run("two")
        await pilot.press("escape")
        await pilot.pause()
        assert home._timer is not None
        assert "two" in text(app)
