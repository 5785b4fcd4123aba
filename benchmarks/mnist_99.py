"""The preset mnist-99: 99 % test accuracy on MNIST in one epoch; five seeds, one thread per core.

    uv run python benchmarks/mnist_99.py [--quick] [--write]
    GOMP_SPINCOUNT=1000 uv run python benchmarks/mnist_99.py    # threads spin as briefly as tuitrain's

Needs the real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw.
"""

import os
import statistics
import tempfile
from pathlib import Path

from claims import DATA, Claim, at_least, at_most, figure, report
from tuitrain.config.presets import preset
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.records import State

CORES = os.cpu_count() or 1
# The spin count of OpenMP threads by default, as in a plain script; tuitrain sets a lower one.
os.environ.setdefault("GOMP_SPINCOUNT", "300000")


def run(seed: int) -> State:
    settings = [f"data.dir={DATA}", f"training.seed={seed}", f"training.threads={CORES}", "training.device=cpu"]
    with tempfile.TemporaryDirectory() as folder:
        spec = RunSpec(config=override(preset("mnist-99"), settings), runs_dir=Path(folder))
        return train_new_run(spec, lambda *_: None, lambda *_: None)


def claims(quick: bool) -> list[Claim]:
    states = [run(seed) for seed in range(2 if quick else 5)]
    accuracies = [state.test.accuracy * 100 for state in states if state.test is not None]
    return [
        at_least("mnist-99: mean test accuracy", 99.0, statistics.mean(accuracies), "%"),
        figure("mnist-99: standard deviation over the seeds", statistics.stdev(accuracies), "points"),
        at_most("mnist-99: median seconds of training", 5.0, statistics.median(s.seconds for s in states), "s"),
    ]


if __name__ == "__main__":
    report(__file__, claims)
