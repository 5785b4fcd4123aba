"""Rename, tag, delete and restore runs."""

from pathlib import Path

import pytest

from screen_text import footer, lines, text
from screens.home.home_app import WriteRun, names, selected, write
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.screens.windows.prompt import PromptScreen


@pytest.fixture
def four(write_run: WriteRun) -> list[RunFolder]:
    """Newest first: a, b, c and d."""
    return [
        write_run("a", "optimizer.lr=0.1", "training.seed=1", id="20260104-a"),
        write_run("b", "optimizer.lr=0.01", "training.seed=2", id="20260103-b"),
        write_run("c", "optimizer.name=sgd", "optimizer.lr=0.1", id="20260102-c"),
        write_run("d", "optimizer.name=sgd", "optimizer.lr=0.5", id="20260101-d", status="failed", reason="NaN"),
    ]


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


async def test_tags_are_undone_although_one_run_is_gone(app: TuitrainApp, four: list[RunFolder]) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("space", "space", "k", "t")
        await pilot.pause()
        await write(pilot, "x")
        four[1].path.rename(four[1].path.with_name(".gone"))
        await pilot.press("enter")
        await pilot.pause()
        assert four[0].info().tags == ["x"]
        assert ["run.json is missing" in note.message for note in app._notifications] == [True]
        assert "a tagged (u undoes)" in lines(app)[0]
        await pilot.press("u")
        await pilot.pause()
        assert four[0].info().tags == []


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


async def test_every_change_is_undone(app: TuitrainApp, four: list[RunFolder]) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        before = [folder.info() for folder in four]
        for key, typed in (("R", "better"), ("t", "good"), ("N", "why so?")):
            await pilot.press(key)
            await pilot.pause()
            await write(pilot, typed)
            await pilot.press("enter")
            await pilot.pause()
        await pilot.press("space", "space", "k", "t")
        await pilot.pause()
        await write(pilot, "both")
        await pilot.press("enter")
        await pilot.pause()
        assert "2 runs tagged (u undoes)" in lines(app)[0]
        assert four[1].info().tags == ["both"]
        for done in ("better annotated", "better tagged", "a renamed"):
            await pilot.press("u")
            await pilot.pause()
            assert f"{done} (u undoes)" in lines(app)[0]
        await pilot.press("u")
        await pilot.pause()
        assert "u undoes" not in lines(app)[0]
        assert [folder.info() for folder in four] == before


async def test_an_active_run_cannot_be_deleted(app: TuitrainApp, write_run: WriteRun) -> None:
    folder = write_run("live", status="running")
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "delete" not in footer(app)
        await pilot.press("x")
        await pilot.pause()
        assert folder.path.is_dir()
