"""The prompt for more epochs of a finished run offers the learning rates of each schedule."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.widgets.forms.pick_list import PickList
from tuitrain.widgets.messages import ResumeRun

WriteRun = Callable[..., RunFolder]
Started = list[tuple[int, str]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    started: Started = []

    def start(_: RunFolder, epochs: int, *, allowed_key: str, schedule: str) -> None:  # noqa: ARG001
        started.append((epochs, schedule))

    monkeypatch.setattr("tuitrain.app.run_lifecycle.resume_in_background", start)
    return started


@pytest.mark.parametrize(("keys", "chosen"), [((), "stretch"), (("down",), "hold"), (("down", "down"), "restart")])
async def test_more_epochs(
    runs_dir: Path, write_run: WriteRun, started: Started, keys: tuple[str, ...], chosen: str
) -> None:
    folder = write_run("mine", "schedule.name=cosine", "training.epochs=3")
    state = msgspec.structs.replace(folder.state(), epoch=3, epochs=3, step=60, steps=60, steps_per_epoch=20)
    (folder.checkpoints / "last.safetensors").touch()
    folder.state_file.write_bytes(msgspec.json.encode(state))
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test(size=(120, 30)) as pilot:
        app.post_message(ResumeRun(folder))
        await pilot.pause()
        await pilot.press("ctrl+u", "5", "enter")
        await pilot.pause()
        assert isinstance(app.screen, PickList)
        shown = " ".join(text(app).split())
        assert "The learning rate is 1e-05. With 5 epochs, cosine can" in shown
        assert "span all epochs 0.000343 now, 1e-05 at the end" in shown
        assert "hold the last rate 1e-05 now, 1e-05 at the end" in shown
        assert "begin a new cycle 0.001 now, 1e-05 at the end" in shown
        await pilot.press(*keys, "enter")
        for _ in range(400):
            if started:
                break
            await pilot.pause(0.05)
    assert started == [(5, chosen)]
