"""Runs that wait in the queue, on the home screen and on their live screen."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hosts.queue.queue_runs import queued
from screen_text import footer, lines, text
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.queue import QueueFolder
from tuitrain.runs.records import HIGHEST_PRIORITY, Waiting
from tuitrain.runs.waiting import change, in_queue, wait
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.training import TrainingScreen

WriteRun = Callable[..., RunFolder]
SIZES = [(60, 20), (80, 24), (120, 40)]
QUEUE_KEYS = {"start queue", "cancel", "hold", "release", "sooner", "later"}
HOSTILE = "\x1b[2J[red]x[/]"


def waits(folder: RunFolder) -> Waiting:
    waiting = in_queue(folder.state())
    assert waiting is not None
    return waiting


async def tick(app: TuitrainApp, pilot: Pilot[None]) -> None:
    assert isinstance(app.screen, HomeScreen | TrainingScreen)
    app.screen.tick()
    await pilot.pause()


async def test_home_says_what_a_run_waits_for(app: TuitrainApp, runs_dir: Path) -> None:
    queued(runs_dir, "a", "training.device=auto")
    first = queued(runs_dir, "b", "training.device=auto", priority=5)
    async with app.run_test(size=(120, 40)) as pilot:
        await tick(app, pilot)
        assert "2 queued, no queue is running (Q starts it)" in lines(app)[0]
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "1 of 2 in the queue · no queue is running" in text(app)
        queue = QueueFolder(runs_dir)
        queue.claim()
        queue.update_session(0.0, ("cpu",))
        await tick(app, pilot)
        assert "1 of 2 in the queue · waits for a free device · priority 5" in text(app)
        assert "no queue is running" not in text(app)
        change(first, held=True)
        await tick(app, pilot)
        assert "held · priority 5" in text(app)
        assert "… held" in next(line for line in lines(app) if line.startswith("   b "))
        queue.release()


async def test_keys_hold_move_and_cancel_a_waiting_run(app: TuitrainApp, runs_dir: Path) -> None:
    folder = queued(runs_dir, "only")
    async with app.run_test(size=(160, 30)) as pilot:
        await tick(app, pilot)
        assert set(footer(app)) & QUEUE_KEYS == QUEUE_KEYS - {"release"}
        await pilot.press("p")
        assert waits(folder).held
        assert set(footer(app)) & {"hold", "release"} == {"release"}
        await pilot.press("p", "+", "+", "+", "-")
        assert (waits(folder).held, waits(folder).priority) == (False, 2)
        change(folder, priority=HIGHEST_PRIORITY)
        await tick(app, pilot)
        await pilot.press("+")
        assert waits(folder).priority == HIGHEST_PRIORITY
        await pilot.press("s")
        assert shown_status(folder.state()) == "stopped"
        assert not set(footer(app)) & QUEUE_KEYS


async def test_keys_act_on_all_marked_runs_that_wait(app: TuitrainApp, runs_dir: Path, write_run: WriteRun) -> None:
    done = write_run("done")
    folders = [queued(runs_dir, name) for name in ("one", "two", "three")]
    async with app.run_test(size=(160, 30)) as pilot:
        await pilot.press("a", "p")
        assert all(waits(folder).held for folder in folders)
        await pilot.press("s")
        assert [folder.state().status for folder in (done, *folders)] == ["finished", *["stopped"] * 3]


async def test_runs_that_do_not_wait_in_the_queue_cannot_be_held_or_moved(
    app: TuitrainApp, write_run: WriteRun
) -> None:
    write_run("done", id="20260101-a")
    cluster = write_run("cluster", status="queued", id="20260102-b")
    # Of another cluster, in case this machine has Slurm.
    record = Waiting(by="slurm", since=time.time(), job="17", cluster="far", reason=f"Priority {HOSTILE}")
    wait(cluster, record)
    async with app.run_test(size=(160, 30)) as pilot:
        await tick(app, pilot)
        assert set(footer(app)) & QUEUE_KEYS == {"cancel"}
        assert "Slurm job 17: Priority" in text(app)
        assert "[red]x" in text(app)
        await pilot.press("p", "+", "Q")
        assert cluster.state().waiting is not None


async def test_q_starts_the_queue(app: TuitrainApp, runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queued(runs_dir, "only")
    started: list[Path] = []

    def start(folder: Path, devices: None, per_device: int, *, keep: bool) -> None:
        assert (devices, per_device, keep) == (None, 1, False)
        started.append(folder)
        QueueFolder(folder).claim()
        QueueFolder(folder).update_session(0.0, ("cpu",))

    monkeypatch.setattr("tuitrain.screens.home.queue_actions.start_queue_in_background", start)
    async with app.run_test(size=(160, 30)) as pilot:
        await tick(app, pilot)
        await pilot.press("Q", "Q")
        await app.workers.wait_for_complete()
        await tick(app, pilot)
        assert started == [runs_dir]
        assert "start queue" not in footer(app)


async def test_the_live_screen_of_a_waiting_run(app: TuitrainApp, runs_dir: Path) -> None:
    folder = queued(runs_dir, "only", "training.device=cuda:3")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        assert isinstance(app.screen, TrainingScreen)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await tick(app, pilot)
            assert "no queue is running: tuitrain queue --detach" in text(app)
            assert not {"pause", "rate", "epochs", "checkpoint"} & set(footer(app))
        QueueFolder(runs_dir).claim()
        QueueFolder(runs_dir).update_session(0.0, ("cpu",))
        await tick(app, pilot)
        assert "waits for cuda:3, and the queue uses cpu" in text(app)
        await pilot.press("s")
        await tick(app, pilot)
        assert shown_status(folder.state()) == "stopped"
        assert "Cancelled before it started." in text(app) or "stopped" in text(app)


async def test_a_hostile_name_in_the_queue(app: TuitrainApp, runs_dir: Path) -> None:
    queued(runs_dir, HOSTILE, "training.device=auto")
    async with app.run_test(size=(120, 30)) as pilot:
        await tick(app, pilot)
        assert "[red]x" in text(app)
        assert "1 of 1 in the queue" in text(app)
        await pilot.press("p")
        assert "held" in text(app)
