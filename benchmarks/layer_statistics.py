"""The cost of measuring the layers of a network during training.

    uv run python benchmarks/layer_statistics.py [--quick] [--write]

Each turn trains once with and once without the measurements, one CPU thread, batches of 64; the bar is the share of the
training speed that they cost. Times are the thread's processor times. Requires the folder of `claims.DATA`.
"""

import statistics
from unittest.mock import patch

from claims import Claim, at_least, report
from training_settings import SLOW, Case, ours
from tuitrain.training import layer_statistics

# Speed with the measurements as a fraction of the speed without.
BAR = 0.98
CASES = (
    Case("mnist, mlp", seconds=2 * SLOW),
    Case("mnist, mlp with sigmoids and sgd", ("model.activation=sigmoid", "optimizer.name=sgd"), seconds=2 * SLOW),
    Case("mnist, cnn with batch normalization", ("model.name=cnn", "model.batch_norm=true"), seconds=8 * SLOW),
)


def without(case: Case) -> float:
    with patch.object(layer_statistics, "FIRST", 0), patch.object(layer_statistics, "EVERY", 10**9):
        return ours(case)


def measure(case: Case, turns: int) -> Claim:
    ours(case)
    before, ratios = without(case), []
    for _ in range(turns):
        speed, after = ours(case), without(case)
        ratios.append(2 * speed / (before + after))
        before = after
    return at_least(f"{case.name}: speed with measured layers (n = {turns})", BAR, statistics.median(ratios), "x")


def claims(quick: bool) -> list[Claim]:
    return [measure(case, 3 if quick else 9) for case in CASES]


if __name__ == "__main__":
    report(__file__, claims)
