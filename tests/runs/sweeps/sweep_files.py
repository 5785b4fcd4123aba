"""Sweeps for tests."""

from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs
from tuitrain.runs.sweeps.records import Job

GRID = """\
[sweep]
name = "grid"
seeds = 2
[sweep.values]
"optimizer.lr" = [0.1, 0.01]
"""

RANDOM = """\
[sweep]
method = "random"
trials = 4
[sweep.values]
"optimizer.lr" = {low = 1e-4, high = 0.1, log = true}
"model.hidden" = [[8], [8, 8]]
"optimizer.nesterov" = [true, false]
"optimizer.momentum" = [0.0, 0.9]
[[sweep.extra]]
"optimizer.lr" = 0.5
"""


def look(folder: SweepFolder) -> list[str]:
    return [one.status for one in SweepIndex(folder).refresh()]


def opened(folder: SweepFolder) -> list[Job]:
    return open_jobs(folder, SweepIndex(folder).refresh())
