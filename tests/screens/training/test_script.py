"""The live screen of a run that a user's script logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tuitrain
from logged_runs import wait_for
from screen_text import footer, lines
from screens.training.training_app import opened, screen, tick
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.logger import start
from tuitrain.logger.run import Run
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.script import ScriptScreen


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = tuitrain.init(name="mine", config={"lr": 0.1}, runs_dir=tmp_path / "runs")
    run.log({"train/loss": 0.5, "gpu/[red]heat": 70.0, "gpu/fan": 3.0})
    yield run
    start.finish()


def asks(run: Run, names: set[str]) -> ScriptFolder:
    """Wait until the run's folder says that the script asks for `names`, and has the logged values."""
    folder = ScriptFolder(Path(run.dir))
    wait_for(lambda: set(folder.script().asks) == names and folder.metrics_file.stat().st_size)
    return folder


async def test_a_script_that_does_not_ask_can_only_be_watched(run: Run) -> None:
    app = opened(asks(run, set()))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ScriptScreen)
        assert any("watch only: this script does not ask for commands" in line for line in lines(app))
        assert not any("NaN" in line for line in lines(app))
        await pilot.press("s", "r", "p", "C")
        assert not (Path(run.dir) / "control.jsonl").exists()


async def test_a_script_that_asks_is_steered(run: Run) -> None:
    assert not run.should_stop
    assert run.setting("lr") == 0.1
    app = opened(asks(run, {"stop", "lr"}))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "stop" in footer(app)
        await pilot.press("r", *["backspace"] * 3, *"0.5", "enter")
        await pilot.press("s")
        wait_for(lambda: run.should_stop)
        assert run.setting("lr") == 0.5
        run.finish()
        await tick(app, pilot)
        assert screen(app).run.status == "stopped"


async def test_every_logged_metric_can_be_charted(run: Run) -> None:
    app = opened(asks(run, set()))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "metrics" in footer(app)
        await pilot.press("n", "down", "enter")
        await pilot.pause()
        assert "─ fan ─" in lines(app)[1]
        await pilot.press("n", *"fan", "space", *"heat", "space", "enter")
        await pilot.pause()
        assert "[red]heat" in lines(app)[1]
        assert "gpu/[red]heat" in "\n".join(lines(app))
        await pilot.press("n", *"heat", "space", "enter")
        await pilot.pause()
        assert "─ loss ─" in lines(app)[1]


async def test_without_loss_and_accuracy_the_charts_begin_with_the_first_metrics(tmp_path: Path) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log({"epoch": 0, "z/f1": 0.5, "a/f1": 0.25, "b/[red]bleu": 30.0})
        app = opened(asks(run, set()))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "─ f1 ─" in lines(app)[1]
            assert "─ [red]bleu ─" in lines(app)[1]
            assert "no data" not in "\n".join(lines(app))


async def test_the_page_of_the_learning_rate_is_offered_once_there_is_one(run: Run) -> None:
    folder = asks(run, set())
    app = opened(folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "gradients" not in footer(app)
        await pilot.press("2")
        assert "loss" in lines(app)[1]
        size = folder.metrics_file.stat().st_size
        run.log({"lr": 0.1})
        wait_for(lambda: folder.metrics_file.stat().st_size > size)
        await tick(app, pilot)
        assert "gradients" in footer(app)


@pytest.mark.parametrize("rate", [False, True])
async def test_the_results_offer_no_page_without_content(run: Run, rate: bool) -> None:
    if rate:
        run.log({"lr": 0.1})
    folder = asks(run, set())
    run.finish()
    app = TuitrainApp(Path(run.dir).parent, ThreadHost())
    async with app.run_test(size=(120, 30)) as pilot:
        app.push_screen(results := ResultsScreen(folder))
        await pilot.pause()
        assert "layers" not in lines(app)[1]
        assert ("8 gradients" in lines(app)[1]) == rate
        seen = []
        for _ in range(9):
            await pilot.press("tab")
            seen.append(results.page)
        assert ("layers" in seen, "gradients" in seen) == (False, rate)
        await pilot.press("3")
        assert "no confusion counts" in "\n".join(lines(app))
