from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Score
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.tables.runs import RunTable

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def app(runs_dir: Path, write_run: WriteRun) -> TuitrainApp:
    """adam with three seeds, sgd with two, and one different run."""
    for seed, accuracy in enumerate((0.90, 0.92, 0.97)):
        write_run(f"adam-s{seed}", f"training.seed={seed}", id=f"2026010{9 - seed}-a", test=Score(0.3, accuracy))
    for seed in (0, 1):
        write_run(f"sgd-s{seed}", "optimizer.name=sgd", f"training.seed={seed}", id=f"2026010{5 - seed}-s")
    write_run("alone", "optimizer.lr=0.5", id="20260101-x", status="running")
    return TuitrainApp(runs_dir, ThreadHost())


def rows(app: TuitrainApp) -> list[str]:
    return [entry.info.name for entry in app.screen.query_one(RunTable).entries]


async def grouped(app: TuitrainApp, pilot: Pilot[None]) -> HomeScreen:
    await pilot.pause()
    await pilot.press("T")
    await pilot.pause()
    assert isinstance(app.screen, HomeScreen)
    return app.screen


async def test_seeds_become_one_row_with_mean_and_deviation(app: TuitrainApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await grouped(app, pilot)
        assert rows(app) == ["adam ×3", "sgd ×2", "alone"]
        # Of 0.90, 0.92 and 0.97, with n - 1.
        assert "93.00 % ± 3.61" in text(app)
        assert "3 runs that differ only in their seed" in text(app)
        await pilot.press("T")
        assert len(rows(app)) == 6


async def test_actions_on_a_group_apply_to_its_runs(app: TuitrainApp, runs_dir: Path) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await grouped(app, pilot)
        assert not screen.check_action("rename", ())
        await pilot.press("space")
        await pilot.pause()
        assert "3 marked" in text(app)
        await pilot.press("space", "c")
        await pilot.pause()
        compare = app.screen
        assert isinstance(compare, CompareScreen)
        assert len(compare.runs) == 5
        assert compare.grouped
        assert compare.selected_column == 1
        await pilot.press("escape", "k", "k", "x")
        await pilot.pause()
        assert len([path for path in runs_dir.iterdir() if not path.name.startswith(".")]) == 1
        await pilot.press("u")
        await pilot.pause()
        assert rows(app) == ["adam ×3", "sgd ×2", "alone"]


async def test_enter_compares_the_seeds_and_the_view_is_kept(app: TuitrainApp, runs_dir: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await grouped(app, pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        assert len(app.screen.runs) == 3
    again = TuitrainApp(runs_dir, ThreadHost())
    async with again.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert rows(again) == ["adam ×3", "sgd ×2", "alone"]
