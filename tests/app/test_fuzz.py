"""Random bursts of keys on every screen never crash the app, and it answers afterwards."""

import os
import random
import string
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from bursts import burst, key_events
from tuitrain.app.app import TuitrainApp
from tuitrain.errors import RunError
from tuitrain.hosts import background
from tuitrain.hosts.sweeps import background as sweep_background
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.screens.home.screen import HomeScreen

WriteRun = Callable[..., RunFolder]
# Set TUITRAIN_FUZZ_SECONDS for a longer search, and TUITRAIN_FUZZ_SEED to repeat one.
SECONDS = float(os.environ.get("TUITRAIN_FUZZ_SECONDS", "15"))
SEED = int(os.environ.get("TUITRAIN_FUZZ_SEED", random.SystemRandom().randrange(10**6)))
SPECIAL = (
    "enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "home", "end", "pageup", "pagedown",
    "backspace", "delete", "space", "ctrl+u", "ctrl+w", "ctrl+r", "ctrl+f", "ctrl+t", "ctrl+o", "ctrl+s", "ctrl+y",
    "ctrl+g", "ctrl+l", "ctrl+p", "ctrl+c",
)  # fmt: skip
KEYS = (*SPECIAL, *SPECIAL, *string.ascii_letters, *string.digits, *"/?.,:;=<>!-+[]()")
SWEEP = '[sweep]\nname = "grid"\n[sweep.values]\n"optimizer.name" = ["sgd", "adam"]\n"optimizer.lr" = [0.1, 0.01]\n'
# The keys that open each screen from the table of runs.
ROUTES = [route.split() for route in (
    "", "n", "/", "vertical_line", "o", "R", "t", "N", "E", "?", "S", "enter", "j enter", "j enter 3", "j enter 5",
    "enter r", "space space space c", "space space c 3", "ctrl+p",
)]  # fmt: skip


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Refuse to start training, and let the app write to a temporary folder only."""

    def refuse(*_: object, **__: object) -> None:
        raise RunError("Starting is disabled.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("start_in_background", "resume_in_background"):
        monkeypatch.setattr(background, name, refuse)
    monkeypatch.setattr("tuitrain.app.run_lifecycle.resume_in_background", refuse)
    monkeypatch.setattr("tuitrain.screens.sweep.actions.start_sweep_in_background", refuse)
    monkeypatch.setattr("tuitrain.screens.new_run.start.start_sweep_in_background", refuse)
    monkeypatch.setattr(sweep_background, "start_sweep_in_background", refuse)
    monkeypatch.setattr(ThreadHost, "_train_new_run", refuse)


async def fuzz(app: TuitrainApp, choice: random.Random, end: float) -> int:
    """Send bursts until `end` or until the app quits; return the number of keys."""
    sent = 0
    async with app.run_test(size=choice.choice([(60, 20), (80, 24), (120, 40)])) as pilot:
        await pilot.pause()
        while monotonic() < end and app.is_running:
            await burst(pilot, *choice.choice(ROUTES))
            for _ in range(choice.randrange(8)):
                keys = choice.choices(KEYS, k=choice.choice((1, 3, 30, 200)))
                sent += len(keys)
                for event in key_events(*keys):
                    app.post_message(event)
                await pilot.pause(0.01)
            for _ in range(500):
                if not app.is_running or isinstance(app.screen, HomeScreen):
                    break
                await burst(pilot, "escape")
                await pilot.pause(0.02)
            assert not app.is_running or isinstance(app.screen, HomeScreen), app.screen
    return sent


@pytest.mark.usefixtures("nothing_starts")
async def test_random_bursts(runs_dir: Path, write_run: WriteRun) -> None:
    choice, end = random.Random(SEED), monotonic() + SECONDS
    print("seed", SEED)  # noqa: T201
    sent = 0
    create_sweep(runs_dir, SWEEP)
    while monotonic() < end:
        for status in ("running", "paused", "finished", "failed"):
            write_run(f"is-{status}", f"training.seed={choice.randrange(10**6)}", status=status)
        sent += await fuzz(TuitrainApp(runs_dir, ThreadHost()), choice, end)
    print(sent, "keys")  # noqa: T201
