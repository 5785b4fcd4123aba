"""Find the better setting of several runs and start the next one, by keyboard alone."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from screen_text import text
from screens.compare.compare_app import read_whole
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.records import Best, Score
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.tables.runs import RunTable

WriteRun = Callable[..., RunFolder]


async def typed(pilot: Pilot[None], letters: str) -> None:
    await pilot.press(
        *("equals_sign" if letter == "=" else "full_stop" if letter == "." else letter for letter in letters)
    )
    await pilot.pause()


@pytest.fixture
def runs(write_run: WriteRun) -> list[RunFolder]:
    """adam and sgd with three learning rates and two seeds each; adam is better with a lower rate."""
    return [
        write_run(
            f"{name}-{lr}-s{seed}",
            f"optimizer.name={name}", f"optimizer.lr={lr}", f"training.seed={seed}", "training.epochs=1",
            "training.device=cpu",
            best=Best(1, 1, Score(1.0, accuracy + seed / 100)),
        )
        for name, base in (("sgd", 0.5), ("adam", 0.9))
        for lr, accuracy in ((0.1, base), (0.01, base + 0.03), (0.001, base + 0.06))
        for seed in (0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_best_of_adam_compared_tagged_and_trained_on(
    runs: list[RunFolder], runs_dir: Path, size: tuple[int, int]
) -> None:
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        # The best run of adam.
        await pilot.press("slash")
        await typed(pilot, "opt=adam")
        await pilot.press("enter", "o")
        await pilot.pause()
        await typed(pilot, "best")
        await pilot.press("enter")
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        assert [run.info.name for run in table.entries][:3] == ["adam-0.001-s1", "adam-0.001-s0", "adam-0.01-s1"]
        assert "best val ↓" in text(app)
        # Three are marked and compared.
        await pilot.press("space", "space", "space", "c")
        await pilot.pause()
        screen = await read_whole(pilot)
        assert all(name in text(app) for name in ("optimizer.lr", "training.seed"))
        assert "model.hidden" not in text(app)
        # The values at the end of the third epoch, which is the last.
        overlay = screen.query_one(ComparisonCharts)
        await pilot.press("left")
        await pilot.pause()
        assert "val accuracy at epoch 2.8" in text(app)
        assert len(overlay.values()) == 3
        # Logarithmic, in seconds, closer, along.
        await pilot.press("L", "X", "i", "left_square_bracket")
        await pilot.pause()
        view = overlay.charts[0].view
        assert view.log_y
        assert overlay.axis == "seconds"
        assert view.x_from is not None
        await pilot.press("0")
        assert overlay.charts[0].view.x_from is None
        # What one takes for what, less what the other does.
        await pilot.press("3")
        await pilot.pause()
        assert "minus" in text(app)
        # By seed.
        await pilot.press("1", "T")
        await pilot.pause()
        assert "2 groups" in text(app)
        assert "×2" in text(app)
        # Back: a tag for all three, and a new run from the best.
        await pilot.press("escape", "g", "t")
        await pilot.pause()
        await typed(pilot, "good")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        assert [folder.info().tags for folder in runs].count(["good"]) == 3
        await pilot.press("y")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)
        await pilot.press("ctrl+f")
        await pilot.pause()
        await typed(pilot, "optimizer.lr")
        await pilot.press("enter", "ctrl+u")
        await typed(pilot, "0.002")
        form = app.screen
        assert isinstance(form, NewRunScreen)
        assert form.form.texts["optimizer.lr"] == "0.002"
        if size[0] == 80:
            return
        await pilot.press("ctrl+r")
        while not isinstance(app.screen, TrainingScreen | ResultsScreen):
            await pilot.pause(0.05)
        assert app.host.join(60)
        new = next(folder for folder in folders(runs_dir) if folder.id not in {run.id for run in runs})
        config = new.config()
        assert (config.optimizer.name, config.optimizer.lr, config.training.seed) == ("adam", 0.002, 1)
        test = new.state().test
        assert test is not None
        assert math.isfinite(test.accuracy)
