"""A run that waits in the background for the end of another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.background_runs import QUICK, ended, until
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter


@pytest.fixture
def first(home: Path) -> Iterator[RunWriter]:
    """A run that seems to train in this process until its status changes."""
    writer = RunWriter(create_run(RunSpec(config=Config(), runs_dir=home / "runs", name="first")))
    writer.update(status="running", now=True)
    yield writer
    writer.end(status="finished")
    writer.close()


def queue(first: RunWriter, *settings: str) -> RunFolder:
    """Queue a run behind `first`; return it when it waits."""
    spec = RunSpec(config=override(Config(), (*QUICK, *settings)), runs_dir=first.folder.path.parent)
    folder = start_in_background(spec, first.folder)
    until(lambda: folder.state().phase == "waiting for first", folder)
    assert folder.state().status == "queued"
    return folder


def loads_torch(folder: RunFolder) -> bool:
    process = folder.state().process
    assert process is not None
    return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()


def test_torch_is_loaded_after_the_wait_and_a_pause_sent_meanwhile_is_obeyed(first: RunWriter) -> None:
    folder = queue(first, "training.epochs=1000000")
    send(folder, "pause")
    # The state is written again every half second.
    heartbeat = folder.state().heartbeat
    until(lambda: folder.state().heartbeat > heartbeat, folder)
    assert (folder.state().phase, loads_torch(folder)) == ("waiting for first", False)
    first.update(status="finished", now=True)
    until(lambda: folder.state().status == "paused", folder)
    assert loads_torch(folder)
    send(folder, "stop")
    until(lambda: ended(folder), folder)
    assert folder.state().status == "stopped"


def test_a_waiting_run_that_is_stopped_reads_no_data(first: RunWriter) -> None:
    folder = queue(first, "data.dataset=image-folder", "data.dir=nowhere")
    send(folder, "stop")
    until(lambda: ended(folder), folder)
    assert (folder.state().status, folder.state().reason) == ("stopped", "Stopped by the user.")
