from collections.abc import Callable

import pytest
from textual.app import App

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.errors import ConfigError
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.screens.windows.help import HelpScreen
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.screens.windows.question import QuestionScreen
from tuitrain.widgets.messages import AskValue
from tuitrain.widgets.terminal.themes import load_themes, shipped_themes_folder

WriteRun = Callable[..., RunFolder]
ANSWERS = (("b", "in the [red]background[/]"), ("s", "stop"), ("c", "cancel"))


class Themed(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for loaded in load_themes([shipped_themes_folder()], lambda error: None).values():  # noqa: ARG005
            self.register_theme(loaded.theme)
        self.theme = "tuitrain-dark"


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["b"], "b"),
        (["s"], "s"),
        (["enter"], "b"),
        (["down", "enter"], "s"),
        (["j", "j", "enter"], "c"),
        (["j", "j", "k", "enter"], "s"),
        (["escape"], None),
        (["x", "q", "z", "s"], "s"),
    ],
)
async def test_a_question_is_answered_by_letter_or_from_the_list(keys: list[str], answer: str | None) -> None:
    app = Themed()
    answers: list[str | None] = []
    async with app.run_test(size=(60, 20)) as pilot:
        app.push_screen(QuestionScreen("Really [b]quit[/]?", ANSWERS), answers.append)
        await pilot.pause()
        assert "Really [b]quit[/]?" in text(app)
        assert "b  in the [red]background[/]" in text(app)
        await pilot.press(*keys)
        await pilot.pause()
        assert answers == [answer]


async def test_a_prompt_accepts_only_valid_values() -> None:
    def check(value: str) -> object:
        if value != "right":
            raise ConfigError(f"[b]{value}[/] is wrong.")
        return value

    app = Themed()
    answers: list[str | None] = []
    async with app.run_test(size=(60, 20)) as pilot:
        app.push_screen(PromptScreen(AskValue("A [b]value[/]", "right", check)), answers.append)
        await pilot.pause()
        await pilot.press("end", "x", "enter")
        await pilot.pause()
        assert "A [b]value[/]" in text(app)
        assert "[b]rightx[/] is wrong." in text(app)
        assert answers == []
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert answers == ["right"]


async def help_text(app: TuitrainApp, keys: list[str]) -> str:
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press(*keys, "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        shown = text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)
    return shown


async def test_help_lists_the_keys_of_the_screen_with_what_they_do(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    home = await help_text(TuitrainApp(folder.path.parent, ThreadHost()), [])
    for line in ("Runs: keys", "n  Set up a new run", "⏎  Open the run", "↓ j  Next run", "q  Quit"):
        assert line in home
    training = await help_text(TuitrainApp(folder.path.parent, ThreadHost(), folder), [])
    for line in (
        "Training: keys",
        "p  Pause the run",
        "s  Save a checkpoint",
        " +  Smooth more",
        "[  Pan left",
    ):
        assert line in training
    assert "results" not in training, "keys that do nothing now are not listed"
    run = await help_text(TuitrainApp(folder.path.parent, ThreadHost(), write_run("done")), ["3"])
    for line in ("Run: keys", "3  Confusion", "f  Go to the most confused pair", "y  Set up a new run from these"):
        assert line in run


@pytest.mark.parametrize("key", ["escape", "question_mark", "q"])
async def test_help_closes_with_its_key_and_scrolls(write_run: WriteRun, key: str) -> None:
    folder = write_run("one", status="running")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Pause the run" in text(app)
        assert "↓ more" in text(app)
        await pilot.press("end")
        await pilot.pause()
        assert "q  Quit" in text(app)
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_help_that_is_all_seen_has_no_more(write_run: WriteRun) -> None:
    folder = write_run("one")
    assert "↓ more" not in await help_text(TuitrainApp(folder.path.parent, ThreadHost()), [])


async def test_ctrl_c_says_which_key_leaves(write_run: WriteRun) -> None:
    app = TuitrainApp(write_run("one").path.parent, ThreadHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert [said.message for said in app._notifications] == ["Press q to quit"]
