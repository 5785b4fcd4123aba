"""The live screen sends commands and offers the keys that work."""

import msgspec
import pytest
from textual.widgets import Static

from screen_text import footer, lines, text
from screens.training.training_app import WriteRun, opened, tick
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Inbox
from tuitrain.runs.rows import Event, encode
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.widgets.forms.pick_list import PickList

COMMANDS = ["pause", "stop", "checkpoint", "rate", "epochs", "background"]


@pytest.mark.parametrize(
    ("key", "status", "command", "activity"),
    [
        ("p", "running", "pause", "pausing …"),
        ("p", "paused", "resume", "resuming …"),
        ("s", "running", "stop", "stopping …"),
        ("s", "paused", "stop", "stopping …"),
        ("C", "running", "checkpoint", "saving a checkpoint …"),
    ],
)
async def test_a_key_sends_its_command_and_says_so_until_the_loop_answers(
    write_run: WriteRun, key: str, status: str, command: str, activity: str
) -> None:
    folder = write_run("one", status=status)
    inbox = Inbox(folder)
    app = opened(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press(key)
        assert [sent.name for sent in inbox.new()] == [command]
        assert activity in lines(app)[0]
        await pilot.press(key)
        assert inbox.new() == []
        answer = {"pause": "paused", "resume": "resumed", "stop": "stopped"}.get(command, command)
        with folder.metrics_file.open("ab") as rows:
            rows.write(encode(Event(answer, 1, 1, 0.0)) + b"\n")
        await tick(app, pilot)
        assert activity not in lines(app)[0]


@pytest.mark.parametrize(
    ("key", "wrong", "right", "command", "value"),
    [("r", "-1", "0.5", "lr", 0.5), ("e", "many", "12", "epochs", 12)],
)
async def test_a_value_is_asked_for_and_checked(
    write_run: WriteRun, key: str, wrong: str, right: str, command: str, value: float
) -> None:
    folder = write_run("one", status="running")
    inbox = Inbox(folder)
    app = opened(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, PromptScreen)
        await pilot.press("ctrl+u", *wrong, "enter")
        await pilot.pause()
        assert isinstance(app.screen, PromptScreen)
        assert "is not allowed" in text(app)
        await pilot.press("ctrl+u", *right, "enter")
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen)
        assert [(sent.name, sent.value) for sent in inbox.new()] == [(command, value)]
        await pilot.press(key)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen)
        assert inbox.new() == []


async def test_too_few_epochs_are_refused_while_they_are_typed(write_run: WriteRun) -> None:
    folder = write_run("one", status="running", step=41)
    inbox = Inbox(folder)
    app = opened(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("2")
        await pilot.pause()
        said = str(app.screen.query_one("#error", Static).content)
        assert said == "✗ training.epochs = 2 is not allowed: epoch 3 has started, so it must be at least 3."
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, PromptScreen)
        await pilot.press("ctrl+u", "3", "enter")
        await pilot.pause()
        assert [(sent.name, sent.value) for sent in inbox.new()] == [("epochs", 3)]


async def test_a_refusal_is_shown_once(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")

    def refuse(what: str) -> None:
        with folder.metrics_file.open("ab") as rows:
            rows.write(encode(Event("refused", 40, 2, 1.0, what)) + b"\n")

    refuse("before")
    app = opened(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        refuse("[b]too\x1b[2J few")
        for _ in range(2):
            await tick(app, pilot)
        assert [toast.message for toast in app._notifications] == ["Refused: [b]too\ufffd[2J few"]


async def test_a_failed_command_is_reported(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    folder.control_file.mkdir()
    app = opened(folder)
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        assert [toast.message for toast in app._notifications] == [
            "The run cannot be written: control.jsonl is a folder. Replace it by a copy: a run writes only to files of"
            " its own."
        ]


async def test_the_footer_offers_what_works_now(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(160, 30)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert set(COMMANDS) <= set(footer(app))
        assert "results" not in footer(app)
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"running"', b'"finished"'))
        await tick(app, pilot)
        await pilot.pause()
        assert set(COMMANDS) & set(footer(app)) == {"epochs"}
        assert "results" in footer(app)
        inbox = Inbox(folder)
        await pilot.press("p", "s", "C", "d")
        assert inbox.new() == []
        assert isinstance(app.screen, TrainingScreen)
        assert "resume" in footer(app)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)


async def test_a_run_whose_process_dies_is_interrupted(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert " running · epoch" in lines(app)[0]
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"born": ', b'"born": 1'))
        await tick(app, pilot)
        await pilot.pause()
        assert " interrupted" in lines(app)[0]
        assert "ends" not in lines(app)[0]
        assert "! the process is gone" in text(app)
        assert [toast.message for toast in app._notifications] == ["one: interrupted."]
        assert set(COMMANDS) & set(footer(app)) == {"epochs"}
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "The training process is gone, after step 40." in text(app)


async def test_a_failed_run_says_why(write_run: WriteRun) -> None:
    folder = write_run("one", status="running", reason="The loss became NaN at step 31.")
    app = opened(folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"running"', b'"failed"'))
        await tick(app, pilot)
        assert "! The loss became NaN at step 31." in text(app)
        assert " failed" in lines(app)[0]


async def test_a_paused_run_offers_to_resume(write_run: WriteRun) -> None:
    for status, offered, other in (("running", "pause", "resume"), ("paused", "resume", "pause")):
        folder = write_run(status, status=status)
        app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            assert offered in footer(app)
            assert other not in footer(app)


async def test_chart_keys_are_shown_if_they_fit(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test(size=(180, 40)) as pilot:
        await pilot.pause()
        wide = footer(app)
        assert {"zoom", "axis", "log scale", "smooth"} <= set(wide)
        assert wide[-2:] == ["back", "help"]
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert footer(app) == [name for name in wide if name in footer(app)]
        assert {"pause", "gradients", "back", "help"} <= set(footer(app))
        assert "smooth" not in footer(app)


async def test_more_epochs_offer_the_learning_rates_of_each_schedule(write_run: WriteRun) -> None:
    folder = write_run("mine", "schedule.name=cosine", "training.epochs=12", status="running")
    state = folder.state()
    state.step, state.steps_per_epoch, state.epochs = 60, 20, 12
    folder.state_file.write_bytes(msgspec.json.encode(state))
    inbox = Inbox(folder)
    app = opened(folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("ctrl+u", *"24", "enter")
        await pilot.pause()
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, PickList)
        shown = " ".join(text(app).split())
        for name, rates in (
            ("span all epochs", "0.000962 now, 1e-05 at the end"),
            ("hold the last rate", "0.000854 now, 1e-05 at the end"),
            ("begin a new cycle", "0.001 now, 1e-05 at the end"),
        ):
            assert f"{name} {rates}" in shown
        await pilot.press("down", "enter")
        await pilot.pause()
    assert [(sent.name, sent.value, sent.schedule) for sent in inbox.new()] == [("epochs", 24, "hold")]
