"""The metrics page: values first, then charts, a class and a threshold moved by keys."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from msgspec import structs
from textual.pilot import Pilot

from screen_text import footer, lines, text
from screens.results.results_app import THREE, WriteRun, opened
from tuitrain.analysis.metrics.compute import confusion_matrix, metrics
from tuitrain.analysis.metrics.thresholds import effect
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.predictions import Predictions
from tuitrain.screens.results.metrics_page import MetricsPage

HOSTILE = "\x1b[2J[red]x[/red]"
CLASSES = ["cat", "dog", HOSTILE]


def predicted(images: int = 200, present: int = 3) -> Predictions:
    rng = np.random.default_rng(4)
    labels = rng.integers(present, size=images)
    logits = rng.normal(size=(images, 3)) * 2
    logits[np.arange(images), labels] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(labels, probabilities.astype(np.float16), tuple(map(str, range(images))), step=60)


def with_predictions(folder: RunFolder, *checkpoints: str, present: int = 3) -> Predictions:
    """Store predictions with the test evaluations of a run, and return them. The first classes have images."""
    given = predicted(present=present)
    counts = confusion_matrix(given.labels, given.predicted, 3)
    for checkpoint in checkpoints or ("last",):
        evaluation = folder.evaluation("test", checkpoint)
        assert evaluation is not None
        changed = structs.replace(evaluation, confusion=counts.tolist(), worst=[], metrics=metrics(given))
        folder.write_evaluation(changed, given)
    return given


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(600):
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(text(pilot.app))


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_metrics_come_first_then_charts(write_run: WriteRun, size: tuple[int, int]) -> None:
    folder = write_run("one", classes=CLASSES)
    given = with_predictions(folder)
    app = opened(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: "threshold 0 %" in text(app) and " – " in text(app))
        shown = text(app)
        found = metrics(given)
        assert found.macro_f1 is not None
        assert f"{100 * found.macro_f1:.2f} %" in shown
        assert "calibration · ECE" in shown
        assert ("precision of" in shown, "ROC of" in shown) == (size[0] >= 80, size[0] >= 120)
        assert ("next chart" in footer(app)) == (size[0] < 120)
        assert max(map(len, lines(app))) <= size[0]
        assert HOSTILE not in shown
        await pilot.press("z", "z")
        await pilot.pause()
        assert ("ROC of" in text(app)) == (size[0] < 120 or "ROC of" in shown)


async def test_keys_move_the_threshold_and_choose_a_class(write_run: WriteRun) -> None:
    folder = write_run("one", classes=CLASSES)
    given = with_predictions(folder)
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: "threshold 0 %" in text(app))
        page = app.screen.query_one(MetricsPage)
        await pilot.press("pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "right", "h", "l")
        page.label = 0
        await pilot.press("down")
        await pilot.pause()
        assert (page.threshold, page.label) == (0.61, 1)
        found = effect(given, 0.61, 1)
        assert found.rejected is not None
        assert 0 < found.rejected < 1
        shown = text(app)
        assert f"threshold 61 %   rejects {100 * found.rejected:.2f} %" in shown
        assert f"precision {100 * (found.precision or 0):.2f} %   recall {100 * (found.recall or 0):.2f} %" in shown
        assert "class dog (2 of 3)" in shown
        await pilot.press("home", "left", "up", "up")
        await pilot.pause()
        assert (page.threshold, page.label) == (0.0, 2)
        assert "rejects 0.00 %" in text(app)


async def test_a_class_without_images_has_no_curves(write_run: WriteRun) -> None:
    folder = write_run("one", classes=CLASSES)
    with_predictions(folder, present=2)
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: "threshold 0 %" in text(app))
        assert "not defined" not in text(app)
        app.screen.query_one(MetricsPage).label = 1
        await pilot.press("down")
        await until(pilot, lambda: text(app).count("not defined") == 2)
        assert "recall -" in text(app)


async def test_another_evaluation_shows_its_own_metrics(write_run: WriteRun) -> None:
    folder = write_run("one", classes=CLASSES, evaluations=THREE)
    with_predictions(folder, "best")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: "threshold 0 %" in text(app))
        await pilot.press("w")
        await until(pilot, lambda: "The probabilities are not stored" in text(app))
        assert f"tuitrain evaluate {folder.id}" in text(app)
        assert "calibration" not in text(app)
        assert "threshold" not in footer(app)
        await pilot.press("right", "down", "z", "w", "w")
        await until(pilot, lambda: "threshold 0 %" in text(app))


async def test_damaged_predictions_say_so_and_leave_the_metrics(write_run: WriteRun) -> None:
    folder = write_run("one", classes=CLASSES)
    with_predictions(folder)
    (folder.evaluations / "test.predictions.npz").write_bytes(b"garbage")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: "test.predictions.npz is damaged" in text(app))
        assert "macro-F1" in text(app)
