"""Confidence intervals of an accuracy, without NumPy."""

from math import sqrt
from statistics import NormalDist

from msgspec import Struct

LEVEL = 0.95
# The number of standard errors between a value and the end of its interval.
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Interval(Struct, frozen=True):
    low: float
    high: float


def accuracy_interval(correct: int, images: int) -> Interval | None:
    """Return Wilson's score interval (1927) of an accuracy, None without images. Unlike a bootstrap interval, it also
    has a width if all images are classified correctly."""
    if not images:
        return None
    share, spread = correct / images, Z * Z / images
    centre = (share + spread / 2) / (1 + spread)
    half = sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
