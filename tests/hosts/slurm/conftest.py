"""A run that waits for a job, and the commands of a real Slurm, where a cluster for tests runs."""

import fcntl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.hosts.slurm.client import cluster_name
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Waiting
from tuitrain.runs.waiting import wait


@pytest.fixture
def cluster() -> Iterator[Callable[..., str]]:
    """`cluster("scontrol", …)` calls a command of the cluster that tests/hosts/slurm/cluster.sh starts. Only one test
    at a time has the cluster, because its jobs would wait for those of others."""
    name = cluster_name()
    if name != "test":
        found = f"the cluster {name!r} is not for tests" if name else "no Slurm runs on this machine"
        pytest.skip(f"{found}; as root on Debian: tests/hosts/slurm/cluster.sh FOLDER")

    def call(*arguments: str) -> str:
        return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout

    with (Path(tempfile.gettempdir()) / "tuitrain-test-cluster").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield call


@pytest.fixture
def waiting(write_run: Callable[..., RunFolder]) -> RunFolder:
    """A run that has waited for a day for job 12."""
    folder = write_run("mine", status="stopped")
    wait(folder, Waiting(by="slurm", since=time.time() - 86400, job="12", cluster="fake"))
    return folder
