"""The queue is killed at random moments: each run trains once, and never two of them share a slot."""

import random
import re
import time
from itertools import pairwise
from pathlib import Path

from hosts.queue.queue_runs import queued, start_queue
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

RUNS, KILLS = 8, 10
# Seconds within which the queue is killed after its start.
LONGEST = 1.2


def events(folder: RunFolder) -> dict[str, float]:
    """Return the times of the start and the end of a run, which must be its only events."""
    follower = Follower(folder)
    follower.read_all()
    assert [event.name for event in follower.events] == ["started", "finished"], folder.id
    return {event.name: event.time for event in follower.events}


def slots(folder: RunFolder) -> list[str]:
    return re.findall(r"started by the queue in the slot (\S+)", folder.log_file.read_text())


def test_a_queue_that_is_killed_again_and_again_trains_each_run_once(home: Path) -> None:
    folders = [queued(home / "runs", f"run-{number}") for number in range(RUNS)]
    choose = random.Random(time.time_ns())
    for _ in range(KILLS):
        queue = start_queue(home / "runs")
        time.sleep(choose.uniform(0, LONGEST))
        queue.kill()
        queue.wait()
    assert start_queue(home / "runs").wait(300) == 0
    used: dict[str, list[tuple[float, float]]] = {}
    for folder in folders:
        state, times = folder.state(), events(folder)
        assert (state.status, state.waiting) == ("finished", None)
        (slot,) = slots(folder)
        used.setdefault(slot, []).append((times["started"], times["finished"]))
    assert set(used) == {"cpu.0", "cpu.1"}
    for spans in used.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(spans)))
