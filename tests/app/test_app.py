import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.config import preferences
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.screens.windows.question import QuestionScreen

WriteRun = Callable[..., RunFolder]


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_q_leaves_where_nothing_trains_here(runs_dir: Path, write_run: WriteRun, key: str) -> None:
    write_run("elsewhere", status="running")
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test() as pilot:
        await pilot.press(key)
        await pilot.pause()
    assert not app.is_running
    assert app.return_code == 0


@asynccontextmanager
async def training(config: Any, runs_dir: Path) -> AsyncIterator[tuple[TuitrainApp, Pilot[None], RunFolder]]:
    """Open the app with the screen of a long run that it trains and owns."""
    host = ThreadHost()
    host.start(RunSpec(config=config, runs_dir=runs_dir, name="busy"))
    try:
        while host.folder is None or host.folder.state().step == 0:
            assert not host.ended.wait(0.05), host.error
        app = TuitrainApp(runs_dir, host, host.folder)
        async with app.run_test(size=(100, 30)) as pilot:
            # Held, so that a pilot which waits for an idle process does not wait long.
            await pilot.press("p")
            while host.folder.state().status != "paused":
                assert not host.ended.wait(0.05), host.error
            yield app, pilot, host.folder
    finally:
        host.cancel()
        host.join()


async def test_quitting_asks_while_a_run_trains_here(quick: Callable[..., Any], runs_dir: Path) -> None:
    async with training(quick("training.epochs=100000"), runs_dir) as (app, pilot, folder):
        assert isinstance(app.screen, TrainingScreen)
        for way_out in ("escape", "c"):
            await pilot.press("q")
            await pilot.pause()
            assert isinstance(app.screen, QuestionScreen)
            assert "This app is training a run." in text(app)
            await pilot.press(way_out)
            await pilot.pause()
            assert isinstance(app.screen, TrainingScreen)
            assert app.host.busy
        await pilot.press("q", "s")
        assert app.host.join(60)
        assert not app.is_running
    state = folder.state()
    assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    assert state.step > 0
    assert (folder.checkpoints / "last.safetensors").exists()


async def test_a_run_that_is_stopped_shows_its_results(quick: Callable[..., Any], runs_dir: Path) -> None:
    async with training(quick("training.epochs=100000"), runs_dir) as (app, pilot, folder):
        await pilot.press("s")
        assert app.host.join(60)
        screen = app.screen
        assert isinstance(screen, TrainingScreen)
        screen.tick()
        await pilot.pause()
        assert any("busy: stopped" in toast.message for toast in app._notifications)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running
    assert folder.state().status == "stopped"


async def test_the_end_of_a_run_is_announced_once(write_run: WriteRun) -> None:
    folder = write_run("[red]mine[/]", status="running")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"running"', b'"finished"'))
        assert isinstance(app.screen, TrainingScreen)
        app.screen.tick()
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        app.screen.tick()
        await pilot.pause()
        ends = [toast for toast in app._notifications if "finished" in toast.message]
        assert [toast.message.strip(". ") for toast in ends] == ["[red]mine[/]: finished"]
        assert not ends[0].markup


async def test_the_theme_is_remembered(runs_dir: Path) -> None:
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "tuitrain-dark"
        app.theme = "tuitrain-light"
        await pilot.pause()
    assert preferences.load().theme == "tuitrain-light"
    assert TuitrainApp(runs_dir, ThreadHost()).theme == "tuitrain-light"


@pytest.mark.parametrize(
    ("background", "theme"),
    [
        ("15;0", "tuitrain-dark"),
        ("0;15", "tuitrain-light"),
        ("0;default;15", "tuitrain-light"),
        ("12;8", "tuitrain-dark"),
        ("nonsense", "tuitrain-dark"),
    ],
)
def test_the_first_theme_suits_the_terminal(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, background: str, theme: str
) -> None:
    monkeypatch.setenv("COLORFGBG", background)
    assert TuitrainApp(runs_dir, ThreadHost()).theme == theme


async def test_a_preferred_theme_that_is_gone_is_no_reason_not_to_start(runs_dir: Path) -> None:
    preferences.update(theme="no such [red]theme")
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "tuitrain-dark"


async def test_a_run_that_is_removed_before_it_is_opened(runs_dir: Path) -> None:
    app = TuitrainApp(runs_dir, ThreadHost(), RunFolder(runs_dir / "gone"))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "run.json is missing." in text(app)


async def test_a_moved_run_folder_is_reported_once(quick: Callable[..., Any], runs_dir: Path) -> None:
    async with training(quick("training.epochs=100000"), runs_dir) as (app, pilot, folder):
        folder.path.rename(runs_dir.parent / "elsewhere")
        assert app.host.join(60)
        for _ in range(2):
            app._check_host()
        await pilot.pause()
        (toast,) = (toast.message for toast in app._notifications if "was deleted or moved" in toast.message)
        assert toast == f"The run folder {folder.path} was deleted or moved during training."
        # Nobody says it again when the app is left.
        assert app.host.error is None


async def test_a_failed_resume_is_reported(quick: Callable[..., Any], runs_dir: Path) -> None:
    folder = create_run(RunSpec(config=quick("training.epochs=1"), runs_dir=runs_dir, name="[b]mine"))
    resume_run(folder, lambda *_: None, Inbox(folder))
    (folder.checkpoints / "last.safetensors").write_bytes(b"no checkpoint")
    app = TuitrainApp(runs_dir, ThreadHost(), folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        await pilot.press("r", "enter")
        deadline = time.monotonic() + 60
        while not any("was not resumed" in toast.message for toast in app._notifications):
            assert time.monotonic() < deadline
            await pilot.pause(0.05)
        (toast,) = app._notifications
        assert toast.message.startswith("[b]mine was not resumed. The checkpoint")
        assert toast.severity == "error"
        assert not toast.markup
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "finished" in text(app)
        assert "It could not be resumed: The checkpoint" in text(app)
    assert folder.state().status == "finished"


async def test_without_a_checkpoint_no_epochs_are_asked_for(write_run: WriteRun) -> None:
    folder = write_run("one")
    (folder.checkpoints / "last.safetensors").unlink()
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("r")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        (toast,) = app._notifications
        assert "its checkpoint checkpoints/last.safetensors is missing" in toast.message
