"""The suggestion of a range test, compared with a search of all falls."""

import random
from itertools import combinations, pairwise

import pytest

from tuitrain.training.lr_finder.suggestion import DIVERGED, MEMORY, smoothed, suggestion


def weighted_means(losses: list[float]) -> list[float]:
    """Return the weighted mean of the losses up to each one, the weight of an older loss being smaller."""
    means = []
    for end in range(1, len(losses) + 1):
        weights = [MEMORY ** (end - 1 - index) for index in range(end)]
        means.append(sum(w * loss for w, loss in zip(weights, losses, strict=False)) / sum(weights))
    return means


def longest_falls(values: list[float]) -> list[tuple[int, ...]]:
    """Return the indices of all longest falling subsequences."""
    for size in range(len(values), 0, -1):
        every = combinations(range(len(values)), size)
        if found := [chosen for chosen in every if all(values[a] > values[b] for a, b in pairwise(chosen))]:
            return found
    return []


def test_a_smoothed_loss_is_a_weighted_mean_of_those_before() -> None:
    losses = [3.0, 1.0, 2.0, 0.5]
    assert smoothed(losses) == pytest.approx(weighted_means(losses))
    assert smoothed([]) == []


def test_a_loss_diverges_above_a_multiple_of_the_lowest() -> None:
    # The second value is (MEMORY + x) / (MEMORY + 1) for a loss of x.
    limit = DIVERGED * (MEMORY + 1) - MEMORY
    assert len(smoothed([1.0, limit - 0.01])) == 2
    assert len(smoothed([1.0, limit + 0.01])) == 1


@pytest.mark.parametrize("seed", range(12))
def test_the_suggestion_is_at_two_thirds_of_the_longest_fall(seed: int) -> None:
    rng = random.Random(seed)
    losses = [rng.uniform(1.0, 2.0) for _ in range(11)]
    falls = longest_falls(smoothed(losses))
    found = suggestion(range(11), losses)
    assert found in {begin + (end - begin) * 2 // 3 for begin, *_, end in falls}


def test_of_a_steady_fall_it_is_the_rate_at_two_thirds() -> None:
    losses = [2.0, *(2.0 - 0.1 * step for step in range(1, 10))]
    assert suggestion(list(range(10)), losses) == 6
    assert suggestion([0.1, 0.2], [2.0, 1.0]) == 0.1
