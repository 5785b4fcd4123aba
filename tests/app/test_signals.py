"""Signals close the app, whatever else arrives at the same time."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tuitrain.app import run_lifecycle
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def app(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuitrainApp]:
    monkeypatch.setattr(run_lifecycle, "STALL_SECONDS", 600)
    handlers = [signal.getsignal(number) for number in SIGNALS]
    app = TuitrainApp(runs_dir, ThreadHost())
    app.leave_on_signals()
    yield app
    app.closed.set()
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_in_a_flood_of_input_closes_the_app(app: TuitrainApp, number: signal.Signals) -> None:
    """asyncio's own signal handlers lose it: the pipe that wakes the loop up is full."""
    async with app.run_test() as pilot:
        await pilot.pause()
        loop = asyncio.get_running_loop()
        for _ in range(5000):
            loop.call_soon_threadsafe(lambda: None)
        signal.raise_signal(number)
        # A second one must not end the process.
        signal.raise_signal(number)
        await pilot.pause()
        assert not app.is_running


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_before_the_app_has_opened_closes_it(app: TuitrainApp, number: signal.Signals) -> None:
    signal.raise_signal(number)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert not app.is_running


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_reaches_the_run_although_the_terminal_takes_no_output(
    app: TuitrainApp, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Then the event loop is blocked; the process ends when the run is saved or has moved."""
    happened: list[str] = []
    for name in ("cancel", "detach", "join"):
        monkeypatch.setattr(app.host, name, partial(happened.append, name))
    ended = threading.Event()
    monkeypatch.setattr(run_lifecycle, "STALL_SECONDS", 0.01)

    def end(status: int) -> None:
        happened.append(f"exit {status}")
        ended.set()

    monkeypatch.setattr("os._exit", end)
    signal.raise_signal(number)
    assert ended.wait(60)
    assert happened == ["cancel" if number == signal.SIGTERM else "detach", "join", "exit 0"]
