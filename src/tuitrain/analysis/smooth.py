"""Smoothing of noisy curves."""

from collections.abc import Iterable
from math import isfinite

STRONGEST = 0.99


def smooth(values: Iterable[float], weight: float) -> list[float]:
    """The exponential moving average, corrected for its start from zero, as TensorBoard draws it.

    `weight` is that of the past, from 0 (nothing changes) to STRONGEST. Values that are not finite stay in their
    places and count for nothing.
    """
    weight = min(max(weight, 0.0), STRONGEST)
    average, bias = 0.0, 1.0
    smoothed: list[float] = []
    for value in values:
        if not isfinite(value):
            smoothed.append(value)
            continue
        average = weight * average + (1 - weight) * value
        bias *= weight
        smoothed.append(average / (1 - bias))
    return smoothed
