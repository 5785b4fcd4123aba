import math
import random

import pytest

from tuitrain.analysis.smooth import MAX_WEIGHT, smooth

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6, 0.9, MAX_WEIGHT])
def test_equals_the_weighted_mean_of_all_values_so_far(weight: float) -> None:
    rng = random.Random(3)
    values = [rng.gauss(0, 1) for _ in range(60)]
    for n, smoothed in enumerate(smooth(values, weight), 1):
        weights = [weight ** (n - k) for k in range(1, n + 1)]
        mean = sum(w * v for w, v in zip(weights, values[:n], strict=True)) / sum(weights)
        assert smoothed == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_no_weight_changes_nothing() -> None:
    assert smooth([3.0, -1.0, 2.5], 0) == [3.0, -1.0, 2.5]


def test_a_constant_stays_itself() -> None:
    assert smooth([0.1] * 50, 0.97) == pytest.approx([0.1] * 50)


def test_values_that_are_not_finite_keep_their_places_and_count_for_nothing() -> None:
    whole = smooth([1.0, 2.0, 3.0], 0.6)
    smoothed = smooth([NAN, 1.0, 2.0, INF, 3.0], 0.6)
    assert math.isnan(smoothed[0])
    assert smoothed[3] == INF
    assert [smoothed[1], smoothed[2], smoothed[4]] == whole


@pytest.mark.parametrize("weight", [1.0, 7.0])
def test_a_weight_too_large_is_the_strongest(weight: float) -> None:
    assert smooth([1.0, 5.0], weight) == smooth([1.0, 5.0], MAX_WEIGHT)
