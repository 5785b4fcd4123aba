"""The interval of an accuracy."""

import pytest
from scipy.stats import binomtest

from tuitrain.analysis.metrics.proportion import accuracy_interval


@pytest.mark.parametrize(("correct", "images"), [(81, 263), (0, 20), (20, 20), (1, 29), (9_812, 10_000), (1, 1)])
def test_the_interval_is_wilsons(correct: int, images: int) -> None:
    interval = accuracy_interval(correct, images)
    assert interval is not None
    expected = binomtest(correct, images).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_images_have_no_interval() -> None:
    assert accuracy_interval(0, 0) is None
