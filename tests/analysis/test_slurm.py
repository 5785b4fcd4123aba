"""Where a run trains in Slurm."""

import time

import pytest
from msgspec import structs

from tuitrain.analysis.slurm import job_line
from tuitrain.runs.records import SlurmJob, State, Waiting

RUNNING = State(status="running", slurm=SlurmJob(id="12", node="gpu07"))


def test_the_node_and_the_time_until_the_limit() -> None:
    limited = structs.replace(RUNNING, slurm=SlurmJob(id="12", node="gpu07", ends=time.time() + 3660.5))
    assert job_line(limited) == "Slurm job 12 on gpu07 · 1:01:00 until its limit"
    assert job_line(RUNNING) == "Slurm job 12 on gpu07"
    assert job_line(State(status="running", slurm=SlurmJob(id="12", node="\x1b[2J"))) == "Slurm job 12 on �[2J"


@pytest.mark.parametrize(
    "state",
    [
        State(status="running"),
        structs.replace(RUNNING, status="stopped"),
        structs.replace(RUNNING, status="queued", waiting=Waiting(by="slurm", since=0.0)),
    ],
)
def test_a_run_that_does_not_train_in_slurm_has_no_job(state: State) -> None:
    assert job_line(state) == ""
