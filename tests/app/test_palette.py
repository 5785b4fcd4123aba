"""The command palette runs what its entries say."""

from collections.abc import Callable
from pathlib import Path

from bursts import burst
from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.widgets.forms.pick_list import PickList

WriteRun = Callable[..., RunFolder]


async def test_keys_runs_presets_and_themes_are_found_by_typing(runs_dir: Path, write_run: WriteRun) -> None:
    write_run("first-try")
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test() as pilot:
        await pilot.pause()
        await burst(pilot, "ctrl+p", *"set up a new", "enter")
        assert isinstance(app.screen, NewRunScreen)
        await burst(pilot, "escape", "ctrl+p", *"first-try", "enter")
        assert isinstance(app.screen, ResultsScreen)
        await burst(pilot, "escape", "ctrl+p", *"mnist cnn", "enter")
        assert isinstance(app.screen, NewRunScreen)
        assert app.screen.form.texts["model.name"] == "cnn"
        await burst(pilot, "escape", "ctrl+p", *"dune", "enter")
        assert isinstance(app.screen, HomeScreen)
        assert app.theme == "dune"


async def test_the_palette_lists_the_keys_of_the_screen(runs_dir: Path, write_run: WriteRun) -> None:
    write_run("a")
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await burst(pilot, "ctrl+p")
        assert isinstance(app.screen, PickList)
        assert "Set up a new run" in text(app)
        assert text(app).count("Next run") == 1
        assert "↓ j" in text(app)
        await burst(pilot, "ctrl+p", "escape")
        assert isinstance(app.screen, HomeScreen)
