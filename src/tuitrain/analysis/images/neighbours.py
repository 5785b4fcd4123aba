"""Find the most similar images in the space of features."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
# Values that are converted at a time, 2 MB: they stay in the cache.
_CHUNK = 2**19
# Similarities of pairs in memory, 32 MB, and groups of them per neighbour.
_PAIRS, _GROUPS = 2**23, 32


def nearest(features: Floats, queries: Floats, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of the k features (N, D) that are most similar to each query (M, D), and their cosine
    similarities, both (M, min(k, N)) and most similar first. Equally similar rows come in their order. A vector of
    zeros, or one that is not finite, is similar to nothing: 0."""
    k = min(k, len(features))
    units = unit_vectors(queries)
    rows = np.zeros((len(units), 0), np.int64)
    values = np.zeros((len(units), 0), np.float32)
    size = max(1, _CHUNK // max(1, len(units), features.shape[1]))
    for start in range(0, len(features), size):
        block = unit_vectors(features[start : start + size])
        found = units @ block.T
        # Later blocks have few rows that belong to the best of any query.
        kept = np.flatnonzero((found > values[:, -1:]).any(0)) if k and values.shape[1] == k else np.arange(len(block))
        numbers = np.broadcast_to(start + kept, (len(units), len(kept)))
        rows, values = _best(np.hstack([rows, numbers]), np.hstack([values, found[:, kept]]), k)
    return rows, values


def unit_vectors(vectors: Floats) -> NDArray[np.float32]:
    """Return the vectors (N, D) with length 1, or 0 if they have no direction."""
    floats = vectors.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = _lengths(floats)
    if not (np.isfinite(lengths) & (lengths > np.finfo(np.float32).smallest_normal)).all():
        # The squares of very large or small values leave the range of float32.
        floats = np.nan_to_num(floats, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        largest = np.abs(floats).max(1, keepdims=True, initial=0)
        floats /= np.where(largest > 0, largest, 1)
        lengths = _lengths(floats)
    floats /= np.where(lengths > 0, lengths, 1)[:, None]
    return floats


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return lengths


def _best(
    rows: NDArray[np.int64], values: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(values, order, 1)


def nearest_others(
    features: Floats, k: int, progress: Callable[[int], None] = lambda _: None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return what `nearest` finds for each of the features (N, D) among all others, both (N, min(k, N - 1)). `progress`
    is called with the number of features done since the last call."""
    units, k = unit_vectors(features), max(0, min(k, len(features) - 1))
    rows, values = np.empty((len(units), k), np.int64), np.empty((len(units), k), np.float32)
    size = max(1, _PAIRS // max(1, len(units)))
    for start in range(0, len(units) if k else 0, size):
        found = units[start : start + size] @ units.T
        own = np.arange(len(found))
        found[own, start + own] = -np.inf
        rows[start : start + size], values[start : start + size] = _largest(found, k)
        progress(len(found))
    return rows, values


def _largest(values: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the columns and values of the k largest of each row, largest first. Equal values come in their order."""
    # At least k values reach the k-th largest maximum of some groups; comparing is ten times as fast as partitioning.
    groups = _GROUPS * k
    height = values.shape[1] // groups
    maxima = values[:, : height * groups].reshape(len(values), height, groups).max(1) if height > 1 else values
    lowest = np.partition(maxima, -k, 1)[:, -k, None]
    rows, columns = np.nonzero(values >= lowest)
    found = values[rows, columns]
    order = np.lexsort((columns, -found, rows))
    firsts = np.searchsorted(rows, np.arange(len(values)))
    best = order[firsts[:, None] + np.arange(k)]
    return columns[best], found[best]
