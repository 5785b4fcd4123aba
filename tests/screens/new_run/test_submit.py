"""The form submits runs and sweeps to a scripted Slurm."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fake_slurm import FakeSlurm
from open_new_run import opened
from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.config import preferences
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.records import SlurmJob
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.screens.sweep.screen import SweepScreen
from tuitrain.screens.training import TrainingScreen
from tuitrain.widgets.forms.form import RUNS_IN, SLURM
from tuitrain.widgets.forms.pick_list import PickList


async def test_a_run_is_refused_submitted_and_cancelled(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.answer("sbatch", "", 1, error="sbatch: error: invalid account\n")
    slurm.answer("squeue", "12|PENDING|Resources|N/A|n/a|N/A\n")
    async with opened(tmp_path) as form:
        form.fields[RUNS_IN].text = SLURM
        await form.press()
        assert form.said("command").startswith("$ tuitrain submit")
        await form.press("ctrl+r", "enter")
        await form.until(lambda: "sbatch failed: invalid account." in form.said("message"))
        assert list(folders(tmp_path / "runs")) == []
        slurm.answer("sbatch", "12\n")
        await form.press("ctrl+r")
        await form.answer("--partition=gpu")
        await form.until(lambda: isinstance(form.app.screen, TrainingScreen))
        (folder,) = folders(tmp_path / "runs")
        assert "--partition=gpu" in slurm.calls("sbatch")[1]
        assert preferences.load().sbatch == "--partition=gpu"
        assert shown_status(folder.state()) == "queued"
        await form.until(lambda: "(Resources)" in str(folder.state().waiting))
        slurm.answer("squeue", f"{folder.path}/job.sh\n")
        await form.press("s")
        await form.until(lambda: folder.state().status == "stopped")
        assert slurm.calls("scancel") == ["12"]


async def test_the_table_cancels_and_resubmits(
    slurm: FakeSlurm, tmp_path: Path, write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.hosts.slurm.watch.INTERVAL", 0.1)
    folder = write_run("mine", status="running", dead=True, slurm=SlurmJob(id="11"))
    slurm.answer("squeue", "12|PENDING|Resources|N/A|n/a|N/A\n")
    app = TuitrainApp(tmp_path / "runs", ThreadHost())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Slurm no longer knows why" in text(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, PickList))
        await pilot.press("enter")
        await until(pilot, lambda: "(Resources)" in text(app))
        assert shown_status(folder.state()) == "queued"
        slurm.answer("squeue", f"{folder.path}/job.sh\n")
        await pilot.press("s")
        await until(pilot, lambda: shown_status(folder.state()) == "failed")
        assert slurm.calls("scancel") == ["12"]


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    for _ in range(1200):
        if true():
            return
        await pilot.pause(0.05)
    raise AssertionError("it never came")


async def test_a_sweep_becomes_an_array(slurm: FakeSlurm, tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        form.fields[RUNS_IN].text = SLURM
        await form.type("optimizer.lr", "0.1, 0.01")
        assert "--submit 8 --set optimizer.lr=0.1,0.01" in form.said("command")
        await form.press("ctrl+r", "enter")
        await form.until(lambda: isinstance(form.app.screen, SweepScreen))
        (sweep,) = list_sweeps(tmp_path / "runs")
        assert "--array=1-2" in slurm.calls("sbatch")[0]
        assert sweep.status(not SweepIndex(sweep).refresh()) == "queued"


@pytest.mark.usefixtures("no_slurm")
async def test_a_machine_without_slurm_does_not_offer_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus(RUNS_IN)
        seen = set()
        for _ in range(6):
            seen.add(form.text(RUNS_IN))
            await form.press("right")
        assert "background process" in seen
        assert SLURM not in seen
