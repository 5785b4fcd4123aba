"""The process of a run leaves it alone if it may not start, and a run that cannot start has failed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hosts.background_runs import until
from hosts.queue.queue_runs import queued
from tuitrain.errors import RunError
from tuitrain.hosts.queue.enqueue import enqueue_again
from tuitrain.hosts.queue.slots import Slot, create_slots_folder, own_slots, slot_owners
from tuitrain.hosts.queue.start import start_run
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import claim, release
from tuitrain.runs.waiting import CANCELLED, cancel, change, in_queue, stop
from tuitrain.runs.writer import RunWriter

SLOT = Slot("cpu", "cpu.0")


@pytest.fixture(autouse=True)
def slots_folder() -> None:
    create_slots_folder()


@pytest.mark.parametrize("prevent", [claim, cancel, lambda folder: change(folder, held=True)])
def test_a_run_that_another_process_owns_or_that_waits_no_more(
    home: Path, prevent: Callable[[RunFolder], None]
) -> None:
    """As when two machines share the runs folder, or the user is quicker than the new process."""
    folder = queued(home / "runs", "one")
    prevent(folder)
    before = folder.state(), folder.log_file.read_text()
    assert not start_run(folder, [SLOT])
    assert (folder.state(), folder.log_file.read_text()) == before
    assert not slot_owners([SLOT])
    release(folder)


def test_a_slot_that_another_process_owns(home: Path) -> None:
    folder = queued(home / "runs", "one")
    before = folder.state()
    with own_slots([SLOT.key]):
        assert not start_run(folder, [Slot("cpu", "free"), SLOT])
    assert folder.state() == before
    assert not slot_owners([SLOT, Slot("cpu", "free")])


def test_a_run_owns_its_slot_until_it_ends(home: Path) -> None:
    folder, other = queued(home / "runs", "one", "training.epochs=1_000_000"), queued(home / "runs", "two")
    assert start_run(folder, [SLOT])
    assert slot_owners([SLOT]) == {SLOT: folder.state().process}
    assert in_queue(folder.state()) is None
    assert not start_run(other, [SLOT])
    assert in_queue(other.state())
    stop(folder)
    until(lambda: not slot_owners([SLOT]), folder)
    assert folder.state().status == "stopped"


def test_a_queue_that_ends_does_not_wait_for_the_start(home: Path) -> None:
    folder = queued(home / "runs", "one")
    assert start_run(folder, [SLOT], None, lambda: True)
    assert in_queue(folder.state())
    until(lambda: folder.state().status == "finished", folder)


def test_a_run_that_had_ended_before_it_waited(write_run: Callable[..., RunFolder]) -> None:
    """A cancelled wait and a failed start leave what it was."""
    folder = write_run("one", status="stopped", reason="Enough.")
    config = folder.config_file.read_text()
    for prevent, problem in ((cancel, CANCELLED), (None, "config.toml is damaged")):
        enqueue_again(folder, epochs=7, priority=2)
        waiting = in_queue(folder.state())
        assert waiting is not None
        assert (waiting.priority, waiting.epochs, shown_status(folder.state())) == (2, 7, "queued")
        if prevent is not None:
            prevent(folder)
        else:
            folder.config_file.write_text("[model]\nname = 'nothing'\n")
            with pytest.raises(RunError, match=problem):
                start_run(folder, [SLOT])
            folder.config_file.write_text(config)
        state = folder.state()
        assert (state.status, state.reason, state.waiting, state.process) == ("stopped", "Enough.", None, None)
        assert problem in state.not_continued
        assert (state.epoch, state.step) == (3, 60)


def test_an_interrupted_run_that_waits(write_run: Callable[..., RunFolder]) -> None:
    folder = write_run("one", status="running", dead=True)
    assert shown_status(folder.state()) == "interrupted"
    enqueue_again(folder)
    assert shown_status(folder.state()) == "queued"
    enqueue_again(folder, priority=3)
    writer = RunWriter(folder)
    assert (writer.resumed, writer.previous.status, writer.waiting and writer.waiting.priority) == (True, "running", 3)
    writer.close()
    cancel(folder)
    assert shown_status(folder.state()) == "interrupted"


def test_the_epochs_of_a_run_that_continues(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, started = queued(home / "runs", "one"), []

    def start(arguments: list[str], _: Path) -> object:
        started.append(arguments)
        raise RunError("enough")

    monkeypatch.setattr("tuitrain.hosts.queue.start.start_detached", start)
    change(folder, epochs=9, schedule="hold")
    with pytest.raises(RunError, match="enough"):
        start_run(folder, [SLOT, Slot("cuda:1", "GPU-1.0")], 2)
    assert started[0][2:] == [
        "--device", "cpu,cuda:1", "--slot", "cpu.0", "--slot", "GPU-1.0", "--threads", "2",
        "--epochs", "9", "--schedule", "hold",
    ]  # fmt: skip


def test_a_run_that_cannot_start_has_failed(home: Path) -> None:
    folder = queued(home / "runs", "one")
    folder.config_file.write_text("[model]\nname = 'nothing'\n")
    with pytest.raises(RunError, match=r"ended during its start: config\.toml is damaged"):
        start_run(folder, [SLOT])
    state = folder.state()
    assert (state.status, state.waiting) == ("failed", None)
    assert "config.toml is damaged" in state.reason
