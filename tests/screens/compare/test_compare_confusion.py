"""The confusion page and the export of a comparison."""

from pathlib import Path

import pytest
from textual.widgets import Static

from screen_text import text
from screens.compare.compare_app import WriteRun, app_of, opened, predict
from tuitrain.app.app import TuitrainApp
from tuitrain.cli import main
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Score
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.widgets.confusion.difference import DifferenceMatrix
from tuitrain.widgets.confusion.pair import ConfusionPair


def verdict_text(screen: CompareScreen) -> str:
    return str(screen.query_one("#words", Static).content)


async def test_the_difference_and_whether_it_means_anything(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, three)
        await pilot.press("3")
        await pilot.pause()
        assert "2 of 100 test images" in text(app)
        assert "this may well be chance" in verdict_text(screen)
        await pilot.press("tab")
        await pilot.pause()
        assert "30 of 100 test images" in text(app)
        assert "very unlikely to be chance" in verdict_text(screen)
        matrix = screen.query_one(DifferenceMatrix)
        assert sum(map(sum, matrix._change)) == 0
        assert sum(matrix._change[number][number] for number in range(10)) == -30
        matrix.select(3, 4)
        await pilot.pause()
        others = screen.query_one(ConfusionPair).matrices.values()
        assert {other.pair for other in others} == {(3, 4)}


async def test_other_images_are_refused_kindly(three: list[RunFolder]) -> None:
    predict(three[1], 90, seed=5)
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, three)
        await pilot.press("3")
        await pilot.pause()
        assert "No McNemar test: The runs were evaluated on different images" in verdict_text(screen)


async def test_a_pair_of_groups_names_its_seed_and_the_means(write_run: WriteRun) -> None:
    settings = [("sgd", 0, 0.5), ("sgd", 1, 0.7), ("adam", 0, 0.9), ("adam", 1, 0.8)]
    folders = []
    for rule, seed, accuracy in settings:
        folders.append(write_run("", f"optimizer.name={rule}", f"training.seed={seed}", test=Score(0.5, accuracy)))
        predict(folders[-1], round(100 * accuracy))
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, folders)
        await pilot.press("T", "3")
        await pilot.pause()
        words = verdict_text(screen)
        assert "sgd seed 0" in words
        assert "adam seed 0" in words
        assert "best test over all seeds: 60.00 % ± 14.14 (n=2) and 85.00 % ± 7.07 (n=2)" in words
        await pilot.press("1", "T", "3")
        await pilot.pause()
        assert "over all seeds" not in verdict_text(screen)


async def test_the_export_equals_the_output_of_the_command(
    three: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "comparison.md").write_text("mine")
    app = TuitrainApp(three[0].path.parent, ThreadHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, three)
        for format in ("markdown", "csv", "json"):
            await pilot.press("E")
            await pilot.pause()
            await pilot.press(*format, "enter")
            await pilot.pause()
            await pilot.press("enter")
            await pilot.pause()
            if format == "markdown":
                assert "comparison.md exists already" in text(app)
                await pilot.press("enter")
                await pilot.pause()
        assert [note.message for note in app._notifications][-1] == "Saved comparison.json"
    names = [str(folder.path) for folder in three]
    for suffix, arguments in (("md", ["--format", "markdown"]), ("csv", ["--format", "csv"]), ("json", ["--json"])):
        assert main(["compare", *names, *arguments]) == 0
        assert (tmp_path / f"comparison.{suffix}").read_text(encoding="utf-8") == capsys.readouterr().out


async def test_the_text_is_readable_on_a_small_terminal(three: list[RunFolder]) -> None:
    app = TuitrainApp(three[0].path.parent, ThreadHost())
    async with app.run_test(size=(60, 24)) as pilot:
        await opened(pilot, three)
        await pilot.press("3", "z", "z")
        assert not text(app).count("better in") > 1
        await pilot.press("z")
        await pilot.pause()
        assert text(app).count("better in") == 2
        assert "predicted" not in text(app)
        await pilot.press("z")
        await pilot.pause()
        assert "predicted" in text(app)
