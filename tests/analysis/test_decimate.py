import math
import random
from array import array

import pytest

from tuitrain.analysis.decimate import block_size, decimate, reduce

NAN, INF = float("nan"), float("inf")


def bucket(x: float, low: float, high: float, columns: int) -> int:
    return min(int((x - low) / (high - low) * columns), columns - 1)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("extremes", [False, True])
def test_every_bucket_holds_its_means_or_extremes(seed: int, extremes: bool) -> None:
    rng = random.Random(seed)
    x = sorted(rng.sample(range(4096), rng.randint(2, 900)))
    y = [rng.uniform(-1, 1) for _ in x]
    columns = 2 ** rng.randint(0, 8)
    low, high = 0, 4096
    groups: dict[int, list[int]] = {}
    for index, value in enumerate(x):
        groups.setdefault(bucket(value, low, high, columns), []).append(index)
    expected: list[tuple[float, float]] = []
    for _, indices in sorted(groups.items()):
        if extremes and len(indices) > 1:
            ends = {min(indices, key=y.__getitem__), max(indices, key=y.__getitem__)}
            expected += [(x[i], y[i]) for i in sorted(ends)]
        else:
            count = len(indices)
            expected.append((sum(x[i] for i in indices) / count, sum(y[i] for i in indices) / count))
    [(xs, ys)] = decimate(x, y, columns, low, high, extremes)
    assert xs == pytest.approx([x for x, _ in expected])
    assert ys == pytest.approx([y for _, y in expected])


def test_few_points_stay_as_they_are() -> None:
    assert decimate([1, 2, 5], [0.5, 0.25, 4.0], 100) == [([1, 2, 5], [0.5, 0.25, 4.0])]


def test_arrays_and_lists_give_the_same() -> None:
    x, y = list(range(5000)), [math.sin(i / 100) for i in range(5000)]
    assert decimate(array("q", x), array("d", y), 120) == decimate(x, y, 120)


def test_the_view_is_cut_with_one_point_more_on_either_side() -> None:
    x = list(range(100))
    [(xs, _)] = decimate(x, x, 1000, 40, 50)
    assert xs == list(range(39, 52))


def test_a_view_between_two_points_gives_both() -> None:
    assert decimate([0, 10], [1.0, 2.0], 50, 4, 5) == [([0, 10], [1.0, 2.0])]


@pytest.mark.parametrize("hole", [NAN, INF, -INF])
def test_the_line_is_cut_where_a_value_is_not_finite(hole: float) -> None:
    assert decimate([0, 1, 2, 3, 4], [1.0, 2.0, hole, 4.0, 5.0], 50) == [([0, 1], [1.0, 2.0]), ([3, 4], [4.0, 5.0])]


def test_a_bucket_with_a_gap_is_separate() -> None:
    segments = decimate(range(9), [1.0, 1.0, 1.0, 2.0, NAN, 4.0, 1.0, 1.0, 1.0], 3, 0, 9)
    assert segments == [([1.0], [1.0]), ([4.0], [3.0]), ([7.0], [1.0])]


def test_sums_too_large_for_a_float_are_no_holes() -> None:
    [(_, ys)] = decimate(range(10), [1e308] * 10, 1)
    assert ys == pytest.approx([1e308])


def test_hostile_input_never_raises() -> None:
    values = [0.0, -0.0, 1e308, -1e308, 5e-324, NAN, INF, -INF, 1.0]
    rng = random.Random(7)
    for _ in range(300):
        x = rng.choices(values, k=rng.randint(0, 12))
        y = rng.choices(values, k=rng.randint(0, 12))
        low, high = rng.choices([None, *values], k=2)
        for xs, ys in decimate(x, y, rng.randint(0, 5), low, high, rng.random() < 0.5):
            assert len(xs) == len(ys) > 0
            assert all(map(math.isfinite, xs + ys))


def test_one_x_for_all_points_is_one_bucket() -> None:
    assert decimate([3, 3, 3], [1.0, 2.0, 3.0], 10) == [([3.0], [2.0])]


@pytest.mark.parametrize("extremes", [False, True])
def test_thinned_keeps_means_or_extremes_and_gaps(extremes: bool) -> None:
    y = [float(place % 7) for place in range(1003)]
    y[500] = NAN
    thinned = reduce(y, 8, extremes)
    x = thinned.x(range(1003))
    assert len(x) == len(thinned.y)
    assert list(x) == sorted(x)
    assert x[0] == 3.5
    assert x[-1] == (1000 + 1002) / 2
    found = [value for value in thinned.y if not math.isnan(value)]
    assert len(found) == len(thinned.y) - 1
    if extremes:
        assert (min(found), max(found)) == (0.0, 6.0)
    else:
        assert found[0] == sum(y[:8]) / 8
        assert found[-1] == sum(y[1000:]) / 3


@pytest.mark.parametrize(
    ("y", "every", "means", "extremes"),
    [
        ([1.0, 2.0, 4.0], 2, [(0.5, 1.5), (2.0, 4.0)], [(0.5, 1.0), (0.5, 2.0), (2.0, 4.0), (2.0, 4.0)]),
        # The finite values of a block, then a gap.
        ([3.0, INF, 1.0, 2.0], 3, [(1.0, 2.0), (1.0, NAN), (3.0, 2.0)],
         [(1.0, 1.0), (1.0, 3.0), (1.0, NAN), (3.0, 2.0), (3.0, 2.0)]),
        ([NAN, NAN], 2, [(0.5, NAN)], [(0.5, NAN)]),
        # The sum of finite values may be infinite.
        ([1e308, 1e308], 2, [(0.5, 1e308)], [(0.5, 1e308), (0.5, 1e308)]),
    ],
)  # fmt: skip
def test_blocks_become_their_mean_or_extremes(
    y: list[float], every: int, means: list[tuple[float, float]], extremes: list[tuple[float, float]]
) -> None:
    for expected, both in ((means, False), (extremes, True)):
        found = reduce(y, every, both)
        assert list(found.x(range(len(y)))) == [x for x, _ in expected]
        assert list(found.y) == pytest.approx([value for _, value in expected], nan_ok=True)


def test_blocks_are_powers_of_two_that_leave_enough() -> None:
    assert [block_size(size, 100) for size in (0, 1, 200, 201, 400, 401, 10**6)] == [1, 1, 1, 4, 4, 8, 16384]
    for size in (201, 999, 12345, 10**6):
        assert size / block_size(size, 100) <= 100
        assert size / block_size(size, 100) > 50 or block_size(size, 100) == 4
