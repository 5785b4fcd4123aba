"""The page of the machine, and the GPUs on the home screen."""

import os
from pathlib import Path

import pytest

from machine.fake_nvml import GB, FakeGpu, FakeNvml, error, process
from screen_text import footer, text
from tuitrain.app.app import TuitrainApp
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.writer import RunWriter
from tuitrain.screens.machine.screen import MachineScreen
from tuitrain.widgets.terminal.refresh import MIN_INTERVAL


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_who_uses_the_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: tuple[int, int]) -> None:
    mine = FakeGpu({"ComputeRunningProcesses": [process(os.getpid(), 40 * GB)]})
    fake = FakeNvml(monkeypatch, [mine, error(15)])
    run = create_run(RunSpec(config=Config(), runs_dir=tmp_path, name="[b]mine"))
    writer = RunWriter(run)
    writer.update(status="running", now=True)
    app = TuitrainApp(tmp_path, ThreadHost())
    async with app.run_test(size=size) as pilot:
        await pilot.press("U")
        for _ in range(1200):
            if "[b]mine" in (shown := text(app)):
                break
            await pilot.pause(0.05)
        for part in ("93 %", "61.0 GB of 85.0 GB", "655 of 700 W", "no answer", "gpu 1: The GPU does not answer."):
            assert part in shown
        # A process ends, and a GPU comes back.
        fake.gpus = [FakeGpu({"UtilizationRates": error(3)})]
        for _ in range(1200):
            if "[b]mine" not in (shown := text(app)) and "no answer" not in shown:
                break
            await pilot.pause(MIN_INTERVAL)
        # The head shows the load of this machine, which may be equal.
        assert "93 %" not in next(line for line in shown.splitlines() if "61.0 GB" in line)
        assert "back" in footer(app)
        await pilot.press("U")
        assert not isinstance(app.screen, MachineScreen)
        await pilot.press("j")
        for _ in range(1200):
            if "gpu - · 61.0 GB of 85.0 GB" in text(app):
                break
            await pilot.pause(MIN_INTERVAL)
        assert "gpu - · 61.0 GB of 85.0 GB" in text(app)
    writer.close()


async def test_a_machine_without_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tuitrain.machine.gpus.driver_installed", lambda: False)
    app = TuitrainApp(tmp_path, ThreadHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("U")
        for _ in range(1200):
            if "No NVIDIA driver is installed" in text(app):
                break
            await pilot.pause(0.05)
        assert "No NVIDIA driver is installed" in text(app)
        assert "memory" in text(app)
