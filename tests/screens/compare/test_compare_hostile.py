"""Comparisons of damaged, incomplete and hostile runs."""

import re
import shutil
import time

import pytest

from screen_text import lines
from screens.compare.compare_app import WriteRun, app_of, opened
from tuitrain.analysis.table.markers import MARKERS
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Evaluated, Train, encode

KEYS = [*"mmmmmmmXXXXLLOOvv++--", *("left",) * 3, *"iI[]0", "down", "down", "up", *"baaTTMMzzz", "3", "z", "z", "tab",
        "f", "v", "o", "1", "pagedown"]  # fmt: skip
NASTY = "\x1b[2J[red]" + "x" * 200 + "[/] [@click=app.quit]y[/] " + "漢" * 20


def rows(folder: RunFolder, *found: Train | Evaluated) -> None:
    """Replace the rows of the run."""
    folder.metrics_file.write_bytes(b"".join(encode(row) + b"\n" for row in found))


@pytest.fixture
def odd(write_run: WriteRun) -> list[RunFolder]:
    """Runs: good, without validation, NaN, one row, running, other classes, damaged, hostile name, empty."""
    good = write_run("good")
    blind = write_run("blind", "data.validation=0", "training.seed=1")
    rows(blind, *(Train(step, 1, 1 / step, 0.5, 0.1, float(step), time.time()) for step in (1, 2, 3)))
    wrong = write_run("nan", "optimizer.lr=9", status="failed", reason="NaN")
    rows(wrong, *(Train(step, 1, float("nan"), 0.1, 0.1, float(step), time.time()) for step in (1, 2, 3)),
         Evaluated("validation", 3, 1, float("nan"), 0.1, 3.0, time.time()))  # fmt: skip
    short = write_run("short", "training.epochs=1")
    rows(short, Train(1, 1, 2.0, 0.1, 0.1, 1.0, time.time()))
    running = write_run("running", "training.seed=2", status="running")
    others = write_run("others", classes=["cat", "dog", NASTY])
    damaged = write_run("damaged")
    damaged.state_file.write_text("{")
    nasty = write_run(NASTY, "training.seed=3")
    empty = write_run("empty", "training.seed=4", status="queued")
    empty.metrics_file.write_bytes(b"")
    return [good, blind, wrong, short, running, others, damaged, nasty, empty]


@pytest.mark.parametrize("size", [(120, 40), (60, 20)])
async def test_odd_runs_are_compared_with_every_key(odd: list[RunFolder], size: tuple[int, int]) -> None:
    app = app_of(odd)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, odd)
        for key in KEYS:
            await pilot.press(key)
            assert app.screen is screen, key
        await pilot.pause()
        assert all(len(line) <= size[0] for line in lines(app))
        assert not any("\x1b" in line for line in lines(app))


async def test_runs_that_go_away_while_they_are_compared(odd: list[RunFolder]) -> None:
    app = app_of(odd)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, odd)
        for folder in odd[:-1]:
            shutil.rmtree(folder.path)
        for key in ("a", "3", "z", "1", "left", "down", "b", "T"):
            screen.tick()
            await pilot.press(key)
        await pilot.press("enter")
        await pilot.pause()
        assert app.return_code is None


async def test_sixty_runs_at_once(write_run: WriteRun) -> None:
    folders = [write_run(f"run-{n}", f"training.seed={n % 3}", f"optimizer.lr=0.{n + 1:03}") for n in range(60)]
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, folders)
        await pilot.press("up", "up")
        assert screen.selected == folders[-1].id
        assert "run-59" in lines(app)[0]
        assert re.search(r"\d+–60 of 60", "\n".join(lines(app)))


async def test_without_utf8_everything_is_ascii(odd: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C")
    app = app_of(odd)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, odd[:5])
        marks = {letter for line in lines(app) for letter in line if "⠀" <= letter <= "⣿" or letter in f"{MARKERS}★"}
        assert not marks
