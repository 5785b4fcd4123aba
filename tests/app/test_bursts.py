"""Keys that arrive together have the effect of keys that arrive one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from bursts import burst
from open_new_run import opened
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.training import TrainingScreen

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def app(runs_dir: Path) -> TuitrainApp:
    return TuitrainApp(runs_dir, ThreadHost())


async def test_editing_keys_and_characters_keep_their_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        for keys, text in (
            (("backspace", "backspace", "3", "2"), "32"),
            (("ctrl+u", "3", "2"), "32"),
            (("end", "left", "4", "delete", "7"), "547"),
            (("ctrl+w", "8", "tab", "9"), "8"),
            (("home", "1", "right", "2", "backspace", "3"), "1530"),
        ):
            await form.type("training.epochs", "50")
            await burst(form.pilot, *keys)
            assert form.text("training.epochs") == text, keys


@pytest.mark.parametrize("typed", ["xcept", "adam", "RNts:oqnzSYyE"])
async def test_letters_after_slash_go_into_the_filter(app: TuitrainApp, write_run: WriteRun, typed: str) -> None:
    for name in ("adam", "sgd"):
        write_run(name, f"optimizer.name={name}")
    async with app.run_test() as pilot:
        await pilot.pause()
        await burst(pilot, "/", *typed)
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.query_one(Input).value == typed
        assert len(list(folders(app.runs_dir))) == 2
        assert not app.screen.table_state.markers()


async def test_a_filter_is_applied_before_the_next_keys(app: TuitrainApp, write_run: WriteRun) -> None:
    for name in ("adam-1", "adam-2", "sgd-1"):
        write_run(name, f"optimizer.name={name[:-2]}")
    async with app.run_test() as pilot:
        await pilot.pause()
        await burst(pilot, "/", *"adam", "enter", "a", "c")
        assert isinstance(app.screen, CompareScreen)
        assert len(app.screen.runs) == 2


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (("r", *"1e-3", "enter"), ("lr", 0.001)),
        (("r", "ctrl+u", *"0.01", "enter"), ("lr", 0.01)),
        (("e", *"12", "enter"), ("epochs", 12.0)),
        (("e", "end", "0", "enter"), ("epochs", 30.0)),
    ],
)
async def test_a_value_is_typed_ahead_into_its_prompt(
    write_run: WriteRun, keys: tuple[str, ...], command: tuple[str, float]
) -> None:
    folder = write_run("a", status="running")
    app, inbox = TuitrainApp(folder.path.parent, ThreadHost(), folder), Inbox(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await burst(pilot, *keys)
        assert isinstance(app.screen, TrainingScreen)
        assert [(command.name, command.value) for command in inbox.new()] == [command]


async def test_opening_and_closing_help_leaves_everything_as_it_was(app: TuitrainApp, write_run: WriteRun) -> None:
    write_run("a")
    async with app.run_test() as pilot:
        await pilot.pause()
        for keys in (("?", "escape"), ("?", "escape", "escape"), ("?", "escape") * 5, ("?", "q"), ("?",) * 4):
            await burst(pilot, *keys)
            while not isinstance(app.screen, HomeScreen):
                await burst(pilot, "escape")
        assert app.is_running


async def test_a_second_escape_does_not_close_the_screen_below(write_run: WriteRun) -> None:
    folder = write_run("a", status="running")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await burst(pilot, "r", "escape", "escape")
        assert isinstance(app.screen, TrainingScreen)
        await burst(pilot, "e", "enter", "enter")
        assert isinstance(app.screen, TrainingScreen)
        await burst(pilot, "?", "escape", "q")
        assert not app.is_running


async def test_a_long_text_in_one_burst_is_complete(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        text = "/" + "/".join(f"folder-{number}" for number in range(40)) + "/file.py:name"
        await form.focus("data.transform")
        await burst(form.pilot, "ctrl+u", *text, "backspace", "x", "tab")
        assert form.text("data.transform") == f"{text[:-1]}x"
        assert not form.app._notifications
