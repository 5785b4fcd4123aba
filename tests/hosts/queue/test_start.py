"""The process of a run leaves it alone if it may not start, and a run that cannot start has failed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hosts.queue.queue_runs import queued
from tuitrain.errors import RunError
from tuitrain.hosts.queue.slots import Slot, create_slots_folder, own_slots, slot_owners
from tuitrain.hosts.queue.start import start_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import claim, release
from tuitrain.runs.waiting import cancel, change

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
    before = folder.state()
    assert not start_run(folder, [SLOT])
    assert (folder.state(), folder.log_file.read_text()) == (before, "")
    assert not slot_owners([SLOT])
    release(folder)


def test_a_slot_that_another_process_owns(home: Path) -> None:
    folder = queued(home / "runs", "one")
    before = folder.state()
    with own_slots([SLOT.key]):
        assert not start_run(folder, [Slot("cpu", "free"), SLOT])
    assert folder.state() == before
    assert not slot_owners([SLOT, Slot("cpu", "free")])


def test_a_run_that_cannot_start_has_failed(home: Path) -> None:
    folder = queued(home / "runs", "one")
    folder.config_file.write_text("[model]\nname = 'nothing'\n")
    with pytest.raises(RunError, match=r"ended during its start: config\.toml is damaged"):
        start_run(folder, [SLOT])
    state = folder.state()
    assert (state.status, state.waiting) == ("failed", None)
    assert "config.toml is damaged" in state.reason
