"""What a waiting run waits for, in words."""

from pathlib import Path

import pytest

from tuitrain.analysis.waiting import NO_QUEUE, reason, reasons
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.process import this_process
from tuitrain.runs.queue import QueueSession
from tuitrain.runs.records import RunInfo, Waiting
from tuitrain.runs.waiting import wait
from tuitrain.runs.writer import create
from written_runs import list_runs

GPUS = QueueSession(this_process(), 0.0, 0.0, ("cuda:0", "cuda:1"))


@pytest.mark.parametrize(
    ("device", "sessions", "expected"),
    [
        ("auto", [], NO_QUEUE),
        ("auto training.devices=2", [GPUS], "waits for 2 GPUs to be free"),
        ("auto training.devices=1,0", [GPUS], "waits for GPUs 1, 0 to be free"),
        ("auto training.devices=all", [GPUS], "waits for all GPUs to be free"),
        ("auto training.devices=3", [GPUS], "waits for 3 GPUs, and the queue uses cuda:0, cuda:1"),
        ("auto", [GPUS], "waits for a free device"),
        ("cuda:1", [GPUS], "waits for cuda:1 to be free"),
        ("cpu", [GPUS], "waits for cpu, and the queue uses cuda:0, cuda:1"),
    ],
)
def test_why_a_run_waits(device: str, sessions: list[QueueSession], expected: str) -> None:
    config = override(Config(), f"training.device={device}".split())
    assert reason(Waiting(by="queue", since=0.0), config, sessions) == expected
    assert reason(Waiting(by="queue", since=0.0, held=True), config, sessions) == "held"


def test_slurm_says_it_itself() -> None:
    waiting = Waiting(by="slurm", since=0.0, job="17", reason="Priority: \x1b[2Jother jobs")
    text = reason(waiting, Config(), [])
    assert text.startswith("Slurm job 17: Priority: ")
    assert "\x1b" not in text
    assert reason(Waiting(by="slurm", since=0.0, job="17"), Config(), []) == "Slurm job 17"


def test_the_place_in_the_queue(runs_dir: Path) -> None:
    for name, since, priority, held in (("x", 3.0, 0, False), ("y", 2.0, 0, False), ("z", 1.0, 4, True)):
        folder = create(runs_dir, RunInfo(id="", name=name), Config())
        wait(folder, Waiting(by="queue", since=since, priority=priority, held=held))
    wait(create(runs_dir, RunInfo(id="", name="w"), Config()), Waiting(by="slurm", since=0.0, job="9"))
    runs = list_runs(runs_dir)
    texts = {run.info.name: reasons(runs, [GPUS])[run.folder.id] for run in runs}
    assert texts == {
        "x": "2 of 3 in the queue · waits for a free device",
        "y": "1 of 3 in the queue · waits for a free device",
        "z": "held · priority 4",
        "w": "Slurm job 9",
    }
