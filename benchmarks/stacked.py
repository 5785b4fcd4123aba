"""Compare stacked training with one run after another: a sweep of 16 seeds of the MNIST mlp.

mlp 784-128-256-10 with relu, batch 64, Adam. Measures the whole `tuitrain sweep`, including loading torch and data,
evaluation and checkpoints: one worker that trains one run at a time, against two workers with a stack of eight each.
Both alternate, and the table compares their medians. Requires real MNIST in TUITRAIN_TEST_DATA or ../shared/data.

    uv run python benchmarks/stacked.py [--quick] [--write]
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from claims import DATA, Claim, at_most, figure, report

SEEDS = 16
ONE, TWO, STACKED = {"stack": 1, "parallel": 1}, {"stack": 1, "parallel": 2}, {"stack": SEEDS, "parallel": 2}


def claims(quick: bool = False) -> list[Claim]:
    repeats, epochs = (1 if quick else 3), 1
    ways = {"one after another": ONE, "two at a time": TWO, "stacked": STACKED}
    measured: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, options in ways.items():
            measured[name].append(sweep(epochs, "cpu", **options))
    wall = {name: statistics.median(cost.wall for cost in times) for name, times in measured.items()}
    work = {name: statistics.median(cost.processor for cost in times) for name, times in measured.items()}
    alone = "one after another"
    what = f"{SEEDS} seeds of the MNIST mlp, {epochs} epoch{'s' * (epochs > 1)}"
    return [
        at_most(
            f"{what}, stacked on two cores / one after another (n = {repeats})", 0.5, wall["stacked"] / wall[alone]
        ),
        figure("the same, stacked / two at a time", wall["stacked"] / wall["two at a time"]),
        figure("processor time, stacked / one after another", work["stacked"] / work[alone]),
        *(figure(name, seconds, "s") for name, seconds in wall.items()),
        *(figure(f"processor time, {name}", seconds, "s") for name, seconds in work.items()),
    ]


class Cost(NamedTuple):
    """Seconds of the whole command, CPU seconds of all its processes (less sensitive to other load), and training
    seconds of each run."""

    wall: float
    processor: float
    training: list[float]


def sweep(epochs: int, device: str, **options: int) -> Cost:
    settings = {
        "data.dataset": "mnist", "data.dir": DATA, "training.epochs": epochs, "training.device": device,
        "training.seed": ",".join(map(str, range(SEEDS))),
    }  # fmt: skip
    settings |= {f"sweep.{name}": value for name, value in options.items()}
    with tempfile.TemporaryDirectory() as runs_dir:
        command = [sys.executable, "-m", "tuitrain", "sweep", "--json", "--runs-dir", runs_dir]
        command += [f"--set={key}={value}" for key, value in settings.items()]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, check=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        runs = json.loads(done.stdout)["runs"]
        assert all(run["status"] == "finished" for run in runs)
        processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Cost(seconds, processor, [run["seconds"] for run in runs])


if __name__ == "__main__":
    report(__file__, claims)
