"""The app asks before it runs code from elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from open_new_run import Opened, opened
from planted import Planted
from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.launch import RunSpec
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.sweep.screen import SweepScreen
from tuitrain.screens.windows.question import QuestionScreen
from tuitrain.widgets.forms.form import BACKGROUND, RUNS_IN

Started = list[tuple[str, str]]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, planted: Planted) -> Started:
    """What the app has started in the background: its kind, and the key of the code that may run."""
    started: Started = []

    def start(kind: str) -> Callable[..., RunFolder]:
        def note(folder: RunFolder | RunSpec, *_: object, trust: str = "", **__: object) -> RunFolder:
            started.append((kind, trust))
            return folder if isinstance(folder, RunFolder) else planted.run()

        return note

    monkeypatch.setattr("tuitrain.app.run_lifecycle.resume_in_background", start("resume"))
    monkeypatch.setattr("tuitrain.screens.home.run_actions.start_in_background", start("again"))
    monkeypatch.setattr("tuitrain.screens.sweep.actions.start_sweep_in_background", start("sweep"))
    monkeypatch.setattr("tuitrain.hosts.background.start_in_background", start("form"))
    return started


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        await pilot.pause(0.05)
    raise AssertionError("it never came")


def question(app: TuitrainApp) -> str:
    assert isinstance(app.screen, QuestionScreen)
    return str(app.screen.query_one("#text", Static).render()).replace("\n", " ")


@pytest.mark.parametrize(("key", "kind"), [("r", "resume"), ("Y", "again")])
@pytest.mark.parametrize("code", ["transform", "model", "command"])
async def test_a_received_run_is_resumed_or_repeated_after_a_yes(
    app: TuitrainApp, planted: Planted, started: Started, key: str, kind: str, code: str
) -> None:
    folder = planted.run(getattr(planted, code))
    async with app.run_test(size=(160, 40)) as pilot:
        for answer in ("escape", "c", "enter"):
            await pilot.press(key)
            await pilot.pause()
            assert f"You did not start run {folder.id} here. runs " in question(app)
            assert str(planted.folder) in question(app)
            await pilot.press(answer)
            await pilot.pause()
        assert started == []
        await pilot.press(key, "t")
        await until(pilot, lambda: [name for name, _ in started] == [kind])
        # The answer is remembered.
        await pilot.press(key)
        await until(pilot, lambda: [name for name, _ in started] == [kind, kind])
    assert not planted.ran.exists()


async def test_a_received_run_can_resume_without_its_command(
    app: TuitrainApp, planted: Planted, started: Started
) -> None:
    planted.run(planted.command)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("w")
        await until(pilot, lambda: started == [("resume", "")])


async def test_a_received_sweep_is_resumed_after_a_yes(app: TuitrainApp, planted: Planted, started: Started) -> None:
    folder = planted.sweep(planted.transform)
    async with app.run_test(size=(160, 40)) as pilot:
        app.push_screen(SweepScreen(folder))
        await pilot.pause()
        await pilot.press("r")
        await pilot.pause()
        assert f"You did not start sweep {folder.id} here. runs {planted.file}:same" in question(app)
        await pilot.press("c")
        await pilot.pause()
        assert started == []
        await pilot.press("r", "t")
        await until(pilot, lambda: [kind for kind, _ in started] == ["sweep"])
    assert not planted.ran.exists()


async def start(form: Opened) -> None:
    await form.press("ctrl+r")
    await form.pilot.pause()


async def test_the_form_asks_for_code_that_a_file_or_run_brought(
    tmp_path: Path, planted: Planted, started: Started
) -> None:
    folder = planted.run(planted.command)
    async with opened(tmp_path) as form:
        form.fields[RUNS_IN].text = BACKGROUND
        await form.press("ctrl+o")
        await form.answer(str(planted.toml(planted.transform)))
        await start(form)
        assert f"theirs.toml yet. runs {planted.file}:same" in question(form.app)
        await form.press("c")
        assert form.form.is_current
        await form.press("escape")
        # The run's settings in the form.
        await form.pilot.pause()
        await form.press("y")
        assert form.text("notify.command") == f"touch {planted.ran}"
        await start(form)
        assert f"You did not start run {folder.id} here. runs at the end: touch" in question(form.app)
        await form.press("c")
        # What the user types needs no question.
        await form.type("notify.command", "true")
        await start(form)
        await form.until(lambda: started == [("form", "")])
    assert not planted.ran.exists()


async def test_the_preview_runs_no_code_that_a_run_brought(tmp_path: Path, planted: Planted, started: Started) -> None:
    planted.run(planted.model)
    async with opened(tmp_path) as form:
        await form.press("escape")
        await form.pilot.pause()
        await form.press("y")
        await form.until(lambda: form.previewed)
        assert form.form.preview is not None
        assert "once you have allowed its code: ctrl+r asks" in form.form.preview.problem
        assert not planted.ran.exists()
        await start(form)
        assert "planted.py:Net to build the network" in question(form.app)
        await form.press("c")
        assert started == []
    assert not planted.ran.exists()


async def test_the_preview_names_the_code(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("notify.command", "say done")
        await form.until(lambda: "runs at the end: say done" in text(form.app))
