"""Setting a part of every class aside."""

import math

import numpy as np
import torch
from torch import Tensor

# fraction * count may lie a rounding error beside the whole number it stands for.
_ROUNDING = 1e-9


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows kept and rows held out, (n,) int64 on the CPU, ascending, the same on every machine.

    ceil(fraction * N) rows are held out, shared among the classes by largest remainder; every class keeps a row.
    """
    classes = labels.cpu().numpy()
    counts = np.bincount(classes)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    # NumPy promises that RandomState draws the same in every version; of its newer generators it does not.
    random = np.random.RandomState(np.random.MT19937(seed))
    held = np.zeros(len(classes), dtype=bool)
    for rows, share in zip(members, _shares(counts, fraction), strict=True):
        held[random.permutation(rows)[:share]] = True
    return torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))


def _shares(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]", fraction: float) -> list[int]:
    """How many rows of each class are held out."""
    quotas = fraction * counts
    shares: list[int] = np.floor(quotas + _ROUNDING).astype(int).tolist()
    missing = math.ceil(fraction * int(counts.sum()) - _ROUNDING) - sum(shares)
    for index in np.argsort(np.array(shares) - quotas, kind="stable").tolist():
        if missing > 0 and shares[index] < counts[index] - 1:
            shares[index] += 1
            missing -= 1
    return shares
