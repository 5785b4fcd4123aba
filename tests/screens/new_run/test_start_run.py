import os
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest
from textual.widgets import Input

from open_new_run import Opened, opened
from screen_text import text
from tuitrain.app.navigation import Navigation
from tuitrain.cli.parser import parse
from tuitrain.config import preferences
from tuitrain.config.preferences import Preferences
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.waiting import in_queue
from tuitrain.runs.writer import RunWriter
from tuitrain.screens.new_run.screen import TICK, NewRunScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.sweep.screen import SweepScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.screens.windows.help import HelpScreen
from tuitrain.widgets.forms.fields import PressField
from tuitrain.widgets.forms.form import QUEUE, RUNS_IN
from tuitrain.widgets.forms.pick_list import PickList

WAITS = """
import pathlib, time
while not pathlib.Path(__file__).with_name("go").exists():
    time.sleep(0.01)
def same(images):
    return images
"""


async def train_endlessly(form: Opened, runs_dir: Path) -> RunFolder:
    """Start a run in this app that never ends; it is paused, because training would slow down the test."""
    host = form.app.host
    host.start(RunSpec(config=override(Config(), ["training.epochs=1_000_000"]), runs_dir=runs_dir, name="endless"))
    # A run that starts reads run.json once more.
    await form.until(lambda: host.folder is not None and host.folder.state().step > 0)
    assert host.folder is not None
    send(host.folder, "pause")
    await form.until(lambda: host.folder is not None and host.folder.state().status == "paused")
    return host.folder


async def test_a_busy_app_offers_a_background_process(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(WAITS)
    async with opened(tmp_path) as form:
        slow = override(Config(), [f"data.transform={tmp_path}/slow.py:same"])
        form.app.host.start(RunSpec(config=slow, runs_dir=tmp_path / "runs"))
        try:
            await form.press("ctrl+r")
            assert "This app is already preparing a run" in form.said("message")
            assert "Choose 'background process' here" in form.said("message")
            assert form.current.key == RUNS_IN
            await form.press("right")
            assert not form.form.line.display
        finally:
            form.app.host.cancel()
            (tmp_path / "go").touch()


async def test_a_problem_that_the_preview_shows_is_reported_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        form.fields["data.dataset"].text, form.fields["data.dir"].text = "image-folder", f"{tmp_path}/none"
        await form.until(lambda: form.form.preview is not None and bool(form.form.preview.problem))
        await form.press("ctrl+r")
        assert "Not started: " in form.said("message")
        assert not form.form.line.busy
        # The folder may exist by now.
        await form.press("ctrl+r")
        await form.until(lambda: form.said("message").startswith("✗ "))


async def test_process_of_its_own_is_chosen_remembered_and_used(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        assert form.text(RUNS_IN) == "this app"
        assert "--detach" not in form.said("command")
        await form.focus(RUNS_IN)
        await form.press("space", "down", "enter")
        assert form.text(RUNS_IN) == "background process"
        assert "--detach" in form.said("command")
        await form.press("escape", "n")
        assert form.text(RUNS_IN) == "background process"
        await form.type("training.epochs", "1")
        await form.type("name", "out")
        # Pressed twice, the button starts one run.
        form.form.query_one(PressField).focus()
        await form.pilot.pause()
        await form.press("enter", "enter")
        await form.until(lambda: isinstance(form.app.screen, (TrainingScreen, ResultsScreen)))
        assert form.app.host.folder is None
        (folder,) = folders(tmp_path / "runs")
        await form.until(lambda: not folder.state().active)
        assert folder.state().status == "finished"
        assert (folder.info().name, folder.config().training.epochs) == ("out", 1)
        assert parse(shlex.split(folder.info().command)[1:]).detach
        own = folder.state().process
        assert own is not None
        assert own.pid != os.getpid()
        form.app.theme = "tuitrain-light"
        await form.pilot.pause()
    assert preferences.load() == Preferences("tuitrain-light", own_process=True)


async def test_a_process_that_cannot_start_is_reported(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    preferences.update(own_process=True)
    async with opened(tmp_path) as form:
        await form.press("ctrl+r")
        await form.until(lambda: not form.form.line.waiting)
        assert "Cannot create a run in" in form.said("message")
        await form.press("up")
        assert form.form.check_action("start", ())


async def test_a_run_on_several_devices_starts_in_background_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunSpec] = []

    def start(spec: RunSpec) -> RunFolder:
        started.append(spec)
        raise RunError("The test starts nothing.")

    monkeypatch.setattr("tuitrain.hosts.background.start_in_background", start)
    async with opened(tmp_path) as form:
        await form.type("training.device", "cpu")
        await form.type("training.devices", "2")
        await form.press("ctrl+r")
        await form.until(lambda: not form.form.line.waiting)
        assert "The test starts nothing." in form.said("message")
        assert [spec.config.training.devices for spec in started] == ["2"]
        assert not form.app.host.busy


async def test_start_ends_at_the_run(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.epochs", "1")
        await form.type("name", "first")
        await form.press("ctrl+r")
        await form.until(lambda: isinstance(form.app.screen, (TrainingScreen, ResultsScreen)))
        assert form.app.host.join(60)
        (folder,) = folders(tmp_path / "runs")
        assert folder.state().status == "finished"
        assert folder.config() == override(Config(), ["training.epochs=1"])
        assert folder.info().name == "first"
        assert "training.epochs=1" in folder.info().command
        assert form.app.host.folder is not None
        assert form.app.host.folder.path == folder.path


async def test_a_failed_start_marks_the_field_and_keeps_the_draft(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.device", "cpu")
        await form.focus("training.precision")
        await form.press("f", "p", "1", "6", "enter")
        await form.press("ctrl+r")
        await form.until(lambda: "✗ needs a GPU." in form.row("training.precision"))
        assert "Use bf16 or fp32" in form.said("message")
        assert form.text("training.device") == "cpu"
        await form.press("space", "up", "enter")
        assert "✗" not in form.row("training.precision")


async def test_settings_are_fixed_while_a_run_starts_until_escape_cancels_it(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(WAITS)
    async with opened(tmp_path) as form:
        await form.type("data.transform", f"{tmp_path}/slow.py:same")
        await form.press("ctrl+r")
        try:
            before = form.form.form.texts
            for key in ("model.name", "schedule.name", "model.batch_norm", "optimizer.lr"):
                await form.focus(key)
                await form.press("space", "right", "t", "comma", "backspace")
                assert form.app.screen is form.form
            assert form.form.form.texts == before
            assert form.form.form.fields["optimizer.lr"].query_one(Input).value == before["optimizer.lr"]
            keys = form.form.active_bindings
            assert keys["escape"].binding.id == "new.cancel"
            await form.press("escape")
            form.form.tick()
            assert "cancelling" in form.said("message")
        finally:
            (tmp_path / "go").touch()
        await form.until(lambda: not form.form.line.preparing)
        assert "no run was created" in form.said("message")
        assert not list(folders(tmp_path / "runs"))
        await form.until(lambda: not form.fields["model.name"].locked)
        await form.focus("model.name")
        await form.press("space")
        assert isinstance(form.app.screen, PickList)


async def test_help_above_a_form_that_starts_is_not_torn_away(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(WAITS)
    async with opened(tmp_path) as form:
        await form.type("data.transform", f"{tmp_path}/slow.py:same")
        await form.focus("model.name")
        await form.press("ctrl+r", "question_mark")
        (tmp_path / "go").touch()
        await form.until(lambda: form.app.host.folder is not None)
        await form.pilot.pause(2 * TICK)
        assert isinstance(form.app.screen, HelpScreen)
        await form.press("escape")
        await form.until(lambda: isinstance(form.app.screen, (TrainingScreen, ResultsScreen)))
        # The form does not stay behind.
        assert not any(isinstance(screen, NewRunScreen) for screen in form.app.screen_stack)


async def test_a_form_that_has_started_a_run_starts_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        form.fields[RUNS_IN].text = QUEUE
        # The app has not opened the run yet.
        with patch.object(Navigation, "on_open_run", lambda *_: None):
            await form.press("ctrl+r")
            await form.until(lambda: form.form.started)
            await form.press("ctrl+r")
            form.form.query_one(PressField).focus()
            await form.press("enter")
        assert len(list(folders(tmp_path / "runs"))) == 1


async def test_a_second_run_is_queued_behind_the_one_that_trains(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        first = await train_endlessly(form, tmp_path / "runs")
        await form.type("training.epochs", "1")
        await form.type("name", "next")
        await form.press("ctrl+r")
        await form.until(lambda: isinstance(form.app.screen, PickList))
        await form.press("enter")
        await form.until(lambda: isinstance(form.app.screen, TrainingScreen))
        assert isinstance(form.app.screen, TrainingScreen)
        queued = form.app.screen.run.folder
        try:
            await form.until(lambda: queued.state().phase == "waiting for endless")
            assert queued.state().status == "queued"
        finally:
            form.app.host.cancel()
        await form.until(lambda: not queued.state().active)
        assert queued.state().status == "finished"
        assert (queued.state().started or 0) > (first.state().ended or 0) > 0


async def test_a_second_run_waits_in_the_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await train_endlessly(form, tmp_path / "runs")
        await form.type("name", "next")
        await form.press("ctrl+r")
        await form.until(lambda: isinstance(form.app.screen, PickList))
        await form.press("down", "enter")
        await form.until(lambda: isinstance(form.app.screen, TrainingScreen))
        form.app.host.cancel()
        assert isinstance(form.app.screen, TrainingScreen)
        assert in_queue(form.app.screen.run.folder.state())


async def test_the_queue_is_chosen_for_a_run_and_for_a_sweep(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus(RUNS_IN)
        await form.press("right", "right")
        assert form.text(RUNS_IN) == "queue"
        assert parse(shlex.split(form.said("command").removeprefix("$ "))[1:]).queue
        await form.press("ctrl+r")
        await form.until(lambda: "no queue is running: tuitrain queue --detach" in text(form.app))
        assert isinstance(form.app.screen, TrainingScreen)
        (folder,) = folders(tmp_path / "runs")
        assert in_queue(folder.state())
        await form.press("escape", "n")
        # The queue is not kept as a preference: the next run may be for now.
        assert form.text(RUNS_IN) == "this app"
        await form.focus(RUNS_IN)
        await form.press("right", "right")
        await form.type("optimizer.lr", "0.1,0.2")
        assert "ignored" not in form.row(RUNS_IN)
        assert "tuitrain sweep" in form.said("command")
        assert "--queue" in form.said("command")
        await form.press("ctrl+r")
        await form.until(lambda: isinstance(form.app.screen, SweepScreen) and form.app.screen.status == "queued")
        waiting = [folder for folder in folders(tmp_path / "runs") if in_queue(folder.state())]
        assert len(waiting) == 3
        await form.press("s")
        await form.until(lambda: sum(bool(in_queue(folder.state())) for folder in waiting) == 1)


@pytest.mark.parametrize("damaged", ["info_file", "state_file"])
async def test_a_damaged_folder_of_the_run_that_trains_is_reported(tmp_path: Path, damaged: str) -> None:
    async with opened(tmp_path) as form:
        folder = await train_endlessly(form, tmp_path / "runs")
        getattr(folder, damaged).write_bytes(b"\0\xff")
        await form.press("ctrl+r")
        await form.until(lambda: "damaged" in form.said("message") or isinstance(form.app.screen, PickList))
        assert form.app.is_running


async def test_a_queued_run_can_be_stopped(tmp_path: Path) -> None:
    endless = create_run(RunSpec(config=Config(), runs_dir=tmp_path / "runs", name="endless"))
    writer = RunWriter(endless)
    writer.update(status="running", now=True)
    queued = start_in_background(RunSpec(config=Config(), runs_dir=tmp_path / "runs", name="next"), endless)
    async with opened(tmp_path) as form:
        await form.until(lambda: queued.state().phase == "waiting for endless")
        send(queued, "stop")
        await form.until(lambda: not queued.state().active)
        assert queued.state().status == "stopped"
    writer.close()
