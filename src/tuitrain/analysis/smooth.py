"""Smooth noisy curves."""

from collections.abc import Iterable
from math import isfinite

MAX_WEIGHT = 0.99


def smooth(values: Iterable[float], weight: float) -> list[float]:
    """Return the exponential moving average with bias correction, as TensorBoard draws it. `weight`, the weight of the
    past, is clipped to 0 (no smoothing) to MAX_WEIGHT. Non-finite values are kept and ignored."""
    weight = min(max(weight, 0.0), MAX_WEIGHT)
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
