"""Hold out the same fraction of every class."""

import numpy as np
import torch
from torch import Tensor

from tuitrain.config.datasets import held_out_counts


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to keep and the held-out rows, (n,) int64 on the CPU, ascending, the same on every machine.
    ceil(fraction * N) rows are held out, shared among the classes by largest remainder; every class keeps a row."""
    classes = labels.cpu().numpy()
    counts = np.bincount(classes)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    # NumPy guarantees the same numbers in every version for RandomState, but not for its newer generators.
    random = np.random.RandomState(np.random.MT19937(seed))
    held = np.zeros(len(classes), dtype=bool)
    for rows, share in zip(members, held_out_counts(counts.tolist(), fraction), strict=True):
        held[random.permutation(rows)[:share]] = True
    return torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
