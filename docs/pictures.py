"""Take the screenshots of the README from the running app: `uv run python docs/pictures.py`.

Train a few runs on the built-in digits in a temporary folder, run the app without a terminal, press keys, and save
each screen as docs/pictures/*.svg.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from tuitrain.app.app import TuitrainApp
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

PICTURES = Path(__file__).resolve().parent / "pictures"
SIZE = (120, 36)
FINISHED = {
    "sgd-sigmoid": ["optimizer.name=sgd", "optimizer.lr=0.1", "model.activation=sigmoid", "training.epochs=40"],
    "sgd-relu-lr1000": ["optimizer.name=sgd", "optimizer.lr=1000"],
    "adam-relu": ["training.epochs=20"],
    "adamw-cosine": ["optimizer.name=adamw", "schedule.name=cosine", "training.epochs=40", "optimizer.lr=0.003"],
}
LIVE = ["training.epochs=3000", "optimizer.name=sgd", "optimizer.lr=0.01", "model.activation=sigmoid"]


def run_spec(name: str, settings: list[str], runs_dir: Path) -> RunSpec:
    return RunSpec(config=override(Config(), settings), runs_dir=runs_dir, name=name, command="tuitrain train")


async def wait_until_drawn(pilot: Pilot[None], text: str = "", tries: int = 200) -> None:
    """Wait until the app has drawn a screen that contains `text`."""
    for _ in range(tries):
        await pilot.pause(0.1)
        if not text or text in pilot.app.export_screenshot():
            break
    await pilot.pause(0.6)


def save_screenshot(app: TuitrainApp, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(app.export_screenshot(title="tuitrain", simplify=True), encoding="utf-8")


def wait_for_epochs(folder: RunFolder, epochs: int) -> None:
    run = Follower(folder)
    while run.state.epoch < epochs and run.state.active:
        run.poll()


async def take_screenshots(runs_dir: Path, live: RunFolder) -> None:
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test(size=SIZE) as pilot:
        app.theme = "tuitrain-dark"
        await wait_until_drawn(pilot, "running")
        save_screenshot(app, "runs")
        await pilot.press("enter")
        await wait_until_drawn(pilot, "images/s")
        save_screenshot(app, "training")
        await pilot.press("escape", "n")
        await wait_until_drawn(pilot, "parameters")
        save_screenshot(app, "new-run")
        await pilot.press("escape")
        await wait_until_drawn(pilot)
        await pilot.press("G", "enter")
        await wait_until_drawn(pilot)
        await pilot.press("3")
        await wait_until_drawn(pilot)
        save_screenshot(app, "run")
        await pilot.press("escape", "a", "c")
        await wait_until_drawn(pilot, "val loss")
        save_screenshot(app, "compare")
    send(live, "stop")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        # The screenshots must not depend on the user's folders, preferences and terminal.
        os.environ |= {"HOME": temporary, "COLORTERM": "truecolor", "TERM": "xterm-256color"}
        for name in ("XDG_CONFIG_HOME", "NO_COLOR", "COLORFGBG"):
            os.environ.pop(name, None)
        os.chdir(temporary)
        runs_dir = Path("experiments/runs")
        for name, settings in FINISHED.items():
            train_new_run(run_spec(name, settings, runs_dir), lambda what, fraction: None, lambda folder, inbox: None)  # noqa: ARG005
        live = start_in_background(run_spec("sgd-sigmoid-long", LIVE, runs_dir))
        wait_for_epochs(live, 400)
        asyncio.run(take_screenshots(runs_dir, live))
        wait_for_epochs(live, 10**9)


if __name__ == "__main__":
    main()
