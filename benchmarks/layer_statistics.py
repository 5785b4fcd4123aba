"""The cost of measuring the layers of a network during training.

    uv run python benchmarks/layer_statistics.py [--quick] [--write]

The share of the training time that runs spend on it, with one CPU thread and batches of 64, in the thread's processor
time. Requires the folder of `claims.DATA`.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from claims import Claim, at_most, report
from training_settings import Case, config
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.training.layer_statistics import LayerMeter

# Percent of the training time.
BAR = 2.0
CASES = (
    Case("mnist, mlp", seconds=3),
    Case("mnist, mlp with sigmoids and sgd", ("model.activation=sigmoid", "optimizer.name=sgd"), seconds=3),
    Case("mnist, cnn with batch normalization", ("model.name=cnn", "model.batch_norm=true"), seconds=10),
)


class Stopwatch:
    """Adds up the time in functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.thread_time() - started

        return measured


def share(case: Case) -> float:
    """Train a headless run; return the percentage of its training time in which it measured layers."""
    watch = Stopwatch()
    before_step = patch.object(LayerMeter, "before_step", watch.timed(LayerMeter.before_step))
    measure = patch.object(LayerMeter, "measure", watch.timed(LayerMeter.measure))
    clock = patch("time.monotonic", time.thread_time)
    with tempfile.TemporaryDirectory() as folder, clock, before_step, measure:
        spec = RunSpec(config=config(case), runs_dir=Path(folder))
        try:
            seconds = train_new_run(spec, lambda *_: None, lambda *_: None).seconds
            return 100 * watch.seconds / seconds
        finally:
            torch.set_flush_denormal(False)


def measure(case: Case, runs: int) -> Claim:
    share(case)
    return at_most(f"{case.name} (n = {runs})", BAR, statistics.median(share(case) for _ in range(runs)), "%")


def claims(quick: bool) -> list[Claim]:
    return [measure(case, 3 if quick else 9) for case in CASES]


if __name__ == "__main__":
    report(__file__, claims)
