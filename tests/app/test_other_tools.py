"""Another tool's runs in the app, and runs written for other tools."""

from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.external.protobuf import put_bytes, put_double, put_float, put_int
from tuitrain.runs.external.tensorboard.tfrecord import record
from tuitrain.runs.follower import Follower
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.widgets.tables.runs import RunTable
from tuitrain.widgets.terminal.footer import FittingFooter


def scalar(tag: str, step: int, value: float) -> bytes:
    summary = put_bytes(1, put_bytes(1, tag) + put_float(2, value))
    return record(put_double(1, 1.7e9 + step) + put_int(2, step) + put_bytes(5, summary))


@pytest.fixture
def home(train: Callable[..., Follower], tmp_path: Path) -> Path:
    """A runs folder with one run of tuitrain and one of another tool."""
    train("training.epochs=1")
    folder = tmp_path / "runs" / "logs" / "[red]theirs"
    folder.mkdir(parents=True)
    values = [scalar("train/loss", step, 1 / step) for step in range(1, 50)]
    values += [scalar("val/loss", 49, 0.5), scalar("val/accuracy", 49, 0.75)]
    (folder / "events.out.tfevents.1700000000.gpu3.1.0").write_bytes(b"".join(values))
    return tmp_path / "runs"


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came to that")


def offered(app: TuitrainApp) -> set[str]:
    return {key.description for key in app.screen.query_one(FittingFooter).keys}


async def test_it_is_shown_compared_and_left_alone(home: Path) -> None:
    app = TuitrainApp(home, ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable).entries) == 2)
        await pilot.press("j")
        await pilot.press("R", "t", "N", "y", "Y", "r", "x")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        await until(pilot, lambda: {"open", "new"} <= offered(app))
        assert offered(app).isdisjoint({"resume", "clone", "delete"})
        await pilot.press("a", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.comparison is not None)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: not screen._reading)
        theirs = next(run for run in screen.comparison.runs if run.id.endswith("theirs"))  # type: ignore[union-attr]
        assert theirs.metrics["best_validation_accuracy"] == 0.75
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await pilot.press("2", "3", "6")
    assert {path.name for path in (home / "logs" / "[red]theirs").iterdir()} == {
        "events.out.tfevents.1700000000.gpu3.1.0"
    }


async def test_export_by_keyboard(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = TuitrainApp(home, ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable).entries) == 2)
        await pilot.press("E")
        await pilot.pause()
        await pilot.press(*"run as csv", "enter")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved" in note.message for note in app._notifications))
    (written,) = tmp_path.glob("*.csv")
    assert set(pandas.read_csv(written).split) == {"train", "validation", "test"}


async def test_a_model_folder_by_keyboard(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = TuitrainApp(home, ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable).entries) == 2)
        await pilot.press("E")
        await pilot.pause()
        assert "run as torch-export" in text(app)
        await pilot.press(*"run as folder", "enter")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved" in note.message for note in app._notifications))
        [saved] = [note.message for note in app._notifications if "Saved" in note.message]
    [folder] = tmp_path.glob("*-safetensors")
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "model.json", "README.md"}
    check = "checked on 256 test images: same class for all, largest difference of logits 0"
    assert saved == f"Saved {folder.name}: {check}"


async def test_an_export_overwrites_only_on_request(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    app = TuitrainApp(home, ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable).entries) == 2)
        await pilot.press("E")
        await pilot.pause()
        await pilot.press(*"run as csv", "enter")
        await pilot.pause()
        for value, problem in (("~no-such-user/x.csv", "home"), (str(path), "exists already")):
            app.screen.query_one(Input).value = value
            await pilot.press("enter")
            await pilot.pause()
            assert problem in text(app)
        assert path.read_text() == "mine"
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved" in note.message for note in app._notifications))
    assert set(pandas.read_csv(path).split) == {"train", "validation", "test"}
