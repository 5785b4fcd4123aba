"""The evaluations and images of the results screen."""

from unittest.mock import Mock

import msgspec
import pytest

from screen_text import footer, lines, text
from screens.results.results_app import THREE, WriteRun, opened
from tuitrain.analysis import confusion
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.confusion.matrix import ConfusionMatrix


async def test_e_goes_through_the_evaluations(write_run: WriteRun) -> None:
    app = opened(write_run("one", evaluations=THREE))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "evaluation" in footer(app)
        shown = []
        for _ in range(4):
            await pilot.pause()
            shown.append(next(line.strip() for line in lines(app) if "weights (epoch" in line and "%" in line))
            await pilot.press("w")
        assert shown == [
            "test, the best weights (epoch 3) · 92.00 %",
            "test, the last weights (epoch 3) · 91.00 %",
            "validation, the last weights (epoch 3) · 93.00 %",
            "test, the best weights (epoch 3) · 92.00 %",
        ]


async def test_one_evaluation_needs_no_key(write_run: WriteRun) -> None:
    app = opened(write_run("one"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "w")
        await pilot.pause()
        assert "evaluation" not in footer(app)
        assert "test, the last weights" in text(app)


async def test_enter_on_a_cell_shows_its_images_and_escape_goes_back(write_run: WriteRun) -> None:
    app = opened(write_run("one", evaluations=THREE))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        matrix = app.screen.query_one(ConfusionMatrix)
        said = {
            (0, 9): "#7  loss 3.5066",
            (0, 8): "None of these images is stored",
            (5, 5): "Images of correct predictions are not stored",
        }
        kept = {(0, 9): "1 of 1", (0, 8): "0 of 1", (5, 5): "0 of 90"}
        for pair, words in said.items():
            matrix.select(*pair)
            await pilot.pause()
            assert "images" in footer(app)
            await pilot.press("enter")
            await pilot.pause()
            assert words in text(app)
            assert f"{pair[0]} → {pair[1]}: {kept[pair]} kept" in lines(app)[-2]
            assert ("matrix" in footer(app), "images" in footer(app)) == (True, False)
            await pilot.press("w")
            await pilot.pause()
            assert words in text(app)
            await pilot.press("escape")
            await pilot.pause()
            assert matrix.has_focus
            assert matrix.pair == pair
        for key in ("a", "5"):
            await pilot.press("3", "enter", key)
            await pilot.pause()
            assert "#7  loss" in text(app)
            assert "matrix" not in footer(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)


async def test_without_an_evaluation_it_says_how_to_make_one(write_run: WriteRun) -> None:
    folder = write_run("one", evaluations=(), status="failed", reason="The loss became NaN at step 31.")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "failed" in lines(app)[0]
        assert "The loss became NaN at step 31." in lines(app)[0]
        for key in "345":
            await pilot.press(key)
            await pilot.pause()
            assert f"tuitrain evaluate {folder.id}" in text(app)


async def test_a_damaged_evaluation_is_reported_and_others_are_shown(write_run: WriteRun) -> None:
    folder = write_run("one", evaluations=THREE)
    (folder.evaluations / "test.json").write_text('{"confusion": [[1]]}')
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert any("test.json is damaged" in toast.message for toast in app._notifications)
        assert "test, the best weights (epoch 3) · 92.00 %" in text(app)


async def test_the_selected_cell_is_explained_beside_and_below_the_matrix(write_run: WriteRun) -> None:
    app = opened(write_run("one", evaluations=THREE))
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        matrix = app.screen.query_one(ConfusionMatrix)
        matrix.select(0, 9)
        await pilot.pause()
        assert "#7  loss 3.5066" in text(app)
        assert "most confused" in text(app)
        assert "F1 by class" in text(app)
        matrix.select(5, 5)
        await pilot.pause()
        assert "Images of correct predictions are not stored" in text(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Images of correct predictions" not in text(app)


@pytest.mark.parametrize("data_dir", ["/photos", "~no-such-user/photos"])
async def test_the_path_of_an_image_is_copied(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, data_dir: str
) -> None:
    folder = write_run("one", "data.dataset=image-folder", f"data.dir={data_dir}")
    evaluation = folder.evaluation("test")
    assert evaluation is not None
    named = msgspec.structs.replace(evaluation.worst[0], file="cat/[b]\x1b7.jpg")
    folder.write_evaluation(msgspec.structs.replace(evaluation, worst=[named]))
    app = opened(folder)
    copied: list[str] = []
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await pilot.pause()
        assert "cat/[b]\N{REPLACEMENT CHARACTER}7.jpg" in text(app)
        assert "copy path" in footer(app)
        await pilot.press("ctrl+y")
        assert copied == [f"{data_dir}/cat/[b]\x1b7.jpg"]


async def test_the_cursor_moves_without_counting_all_pairs_again(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(write_run("one"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        count = Mock()
        for name in ("most_confused", "class_scores"):
            monkeypatch.setattr(confusion, name, count)
        before = app.screen.query_one(ConfusionMatrix).pair
        await pilot.press("down", "right")
        assert app.screen.query_one(ConfusionMatrix).pair != before
        assert "most confused on test" in text(app)
        count.assert_not_called()
