"""The order in which a queue starts its runs, and what it does with those that it cannot train."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hosts.queue.queue_runs import InstantRuns, dispatcher, queued
from tuitrain.errors import RunError
from tuitrain.hosts.queue import dispatch
from tuitrain.hosts.queue.slots import create_slots_folder, make_slots, own_slots, slot_owners
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.process import this_process
from tuitrain.runs.queue import QueueFolder, waiting_runs
from tuitrain.runs.waiting import cancel, change


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> InstantRuns:
    instant = InstantRuns(bad="failed", dead="interrupted")
    monkeypatch.setattr(dispatch, "start_run", instant)
    monkeypatch.setattr(dispatch, "POLL", 0.01)
    return instant


def status(folder: RunFolder) -> str:
    return folder.state().status


def test_runs_start_by_priority_then_age(runs_dir: Path, runs: InstantRuns) -> None:
    for name, priority in (("old", 0), ("low", -1), ("high", 5), ("new", 0)):
        queued(runs_dir, name, priority=priority)
    queue, _ = dispatcher(runs_dir)
    assert queue.run()
    assert runs.names == ["high", "old", "new", "low"]
    assert [run.info.name for run in queue.ended] == runs.names


def test_held_and_cancelled_runs_do_not_start(runs_dir: Path, runs: InstantRuns) -> None:
    held, gone, other = (queued(runs_dir, name) for name in ("held", "gone", "other"))
    change(held, held=True)
    cancel(gone)
    assert dispatcher(runs_dir)[0].run()
    assert (runs.names, status(held), status(gone), status(other)) == (["other"], "queued", "stopped", "finished")
    change(held, held=False)
    assert dispatcher(runs_dir)[0].run()
    assert runs.names == ["other", "held"]


def test_a_run_that_fails_does_not_stop_the_queue(runs_dir: Path, runs: InstantRuns) -> None:
    queued(runs_dir, "bad")
    queued(runs_dir, "good")
    queue, lines = dispatcher(runs_dir)
    assert queue.run()
    assert (runs.names, [run.status for run in queue.ended]) == (["bad", "good"], ["failed", "finished"])
    assert "bad cannot start. broken" in lines


def test_a_run_whose_code_this_user_has_not_allowed_is_left_to_others(
    runs_dir: Path, runs: InstantRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("def same(images):\n    return images\n")
    code = f"data.transform={tmp_path}/own.py:same"
    queued(runs_dir, "mine", code)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
        other = queued(runs_dir, "other", code)
    queue, lines = dispatcher(runs_dir)
    assert queue.run()
    assert (runs.names, status(other)) == (["mine"], "queued")
    assert any(line.startswith("other is left to others. You did not start run ") for line in lines)


@pytest.mark.usefixtures("runs")
def test_a_run_whose_process_dies_does_not_stop_the_queue(runs_dir: Path) -> None:
    queued(runs_dir, "dead")
    queued(runs_dir, "good")
    queue, lines = dispatcher(runs_dir)
    assert queue.run()
    assert [(run.info.name, run.status) for run in queue.ended] == [("dead", "interrupted"), ("good", "finished")]
    assert lines == ["dead started on cpu", "dead interrupted", "good started on cpu", "good finished"]


def test_a_run_for_another_device_is_left_to_other_queues(runs_dir: Path, runs: InstantRuns) -> None:
    there = queued(runs_dir, "there", "training.device=cuda:1", priority=9)
    queued(runs_dir, "here", "training.device=auto")
    queue, lines = dispatcher(runs_dir)
    assert queue.run()
    assert (runs.names, status(there)) == (["here"], "queued")
    assert lines[0] == "there waits for cuda:1, which this queue does not have"


def test_no_run_starts_in_a_slot_that_a_process_owns(runs_dir: Path, runs: InstantRuns) -> None:
    first = make_slots(["cpu"], 1, {})[0]
    queued(runs_dir, "one")
    queue, _ = dispatcher(runs_dir, "cpu,mps")
    change(queued(runs_dir, "two", "training.device=mps"), held=True)
    create_slots_folder()
    with own_slots([first.key]):
        assert slot_owners(make_slots(["cpu", "mps"], 1, {})) == {first: this_process()}
        with pytest.raises(OwnedError), own_slots(["other", first.key]):
            pass
        queue._report = lambda _: setattr(queue, "stopping", True)
        change(queued(runs_dir, "three", "training.device=mps"), priority=-5)
        assert not queue.run()
    assert runs.started == [("three", ["mps"])]
    # A failed attempt leaves no slot behind.
    assert not slot_owners([first, *make_slots(["other"], 1, {})])


def test_a_run_on_several_devices_waits_for_as_many_and_is_not_overtaken(runs_dir: Path, runs: InstantRuns) -> None:
    queued(runs_dir, "pair", "training.device=auto", "training.devices=2", priority=1)
    queued(runs_dir, "single", "training.device=cuda")
    queued(runs_dir, "processor")
    queue, _ = dispatcher(runs_dir, "cuda:0,cpu,cuda:1", 2)
    create_slots_folder()
    with own_slots(["GPU-1.0"]):
        queue._report = lambda line: setattr(queue, "stopping", line.startswith("processor"))
        assert not queue.run()
    assert runs.started == [("processor", ["cpu"])]
    assert dispatcher(runs_dir, "cuda:0,cpu,cuda:1", 2)[0].run()
    assert runs.started[1:] == [("pair", ["cuda:0", "cuda:1"]), ("single", ["cuda:0"])]


def test_several_slots_of_a_device_are_used_after_those_of_others() -> None:
    slots = make_slots(["cuda:0", "cuda:1"], 2, {"cuda:0": "GPU-a"})
    assert [slot.key for slot in slots] == ["GPU-a.0", "cuda:1.0", "GPU-a.1", "cuda:1.1"]
    assert make_slots(["cpu", "cpu"], 1, {}) == make_slots(["cpu"], 2, {})


def test_a_second_queue_names_the_first(runs_dir: Path) -> None:
    folder = QueueFolder(runs_dir)
    folder.claim()
    queue, _ = dispatcher(runs_dir)
    with pytest.raises(OwnedError, match=f"Process {this_process().pid} already runs the queue of"):
        queue.run()
    folder.release()
    assert queue.run()


def test_a_run_that_joins_as_the_queue_leaves_is_not_forgotten(
    runs_dir: Path, runs: InstantRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(runs_dir, "first")
    queue, _ = dispatcher(runs_dir)
    leave = QueueFolder.release

    def release_late(folder: QueueFolder) -> None:
        leave(folder)
        if runs.names == ["first"]:
            assert not folder.sessions()
            queued(runs_dir, "late")

    monkeypatch.setattr(QueueFolder, "release", release_late)
    assert queue.run()
    assert runs.names == ["first", "late"]


def test_a_disk_that_is_full_for_a_while_does_not_end_the_queue(
    runs_dir: Path, runs: InstantRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "HEARTBEAT", 0.0)
    update = QueueFolder.update_session
    written: list[float] = []

    def full(folder: QueueFolder, began: float, devices: tuple[str, ...]) -> None:
        if written:
            raise RunError("The queue cannot be written: No space left on device.")
        written.append(began)
        update(folder, began, devices)

    monkeypatch.setattr(QueueFolder, "update_session", full)
    for name in ("one", "two"):
        queued(runs_dir, name)
    assert dispatcher(runs_dir)[0].run()
    assert runs.names == ["one", "two"]
    with pytest.raises(RunError, match="No space left"):
        dispatcher(runs_dir)[0].run()


def test_stop_ends_a_queue_that_is_kept(runs_dir: Path, runs: InstantRuns) -> None:
    queue, _ = dispatcher(runs_dir, keep=True)
    queue._report = lambda line: QueueFolder(runs_dir).stop() if line.endswith("finished") else None
    queued(runs_dir, "only")
    assert not queue.run()
    assert runs.names == ["only"]
    assert not QueueFolder(runs_dir).sessions()


def test_a_queue_that_is_stopped_while_a_run_starts(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queued(runs_dir, "one")
    queue, lines = dispatcher(runs_dir)

    def start(*arguments: Any) -> bool:
        queue.stopping = True
        leaving: Callable[[], bool] = arguments[-1]
        return leaving()

    monkeypatch.setattr(dispatch, "start_run", start)
    assert not queue.run()
    assert (lines, queue.ended) == (["one started on cpu"], [])
    (run,) = waiting_runs(RunIndex(runs_dir).refresh())
    assert queue.has_started(run)
