"""Find images that a data set has twice, or nearly so."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
# Copies that were scaled, compressed or cropped a little have at least this cosine similarity of their features.
SIMILARITY = 0.95
# Height and width of the grey thumbnails, and the largest mean absolute difference of their pixels, in standard
# deviations: up to 0.022 after JPEG compression or scaling, 0.04 for the most similar two of 1,797 digits.
SIDE, DIFFERENCE = 8, 0.03
# Pairs that are compared at a time, 8 MB.
_CHUNK = 2**16


class Duplicate(NamedTuple):
    """Two images with rows `first` < `second`: whether their pixels are equal, the cosine `similarity` of their
    features, and the mean absolute `difference` of their thumbnails, in standard deviations."""

    first: int
    second: int
    exact: bool
    similarity: float
    difference: float


def find_duplicates(
    rows: NDArray[np.int64],
    similarities: Floats,
    thumbnails: NDArray[np.uint8],
    digests: Sequence[bytes],
    splits: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> list[Duplicate]:
    """Return the duplicates among N images: pairs across `splits` (N,) first, then those with different `labels` (N,)
    first, then exact ones, then the most similar.

    `rows` and `similarities` (N, k) are the nearest other images, `thumbnails` (N, P) small grey pictures, and
    `digests` equal for equal pixels. Each exact duplicate is paired with the first image of its kind only, and each
    pair of different pictures appears once for all of their exact copies.
    """
    first_of = _first_of_each(digests)
    found = [
        Duplicate(int(first_of[row]), row, True, 1.0, 0.0)
        for row in np.flatnonzero(first_of < np.arange(len(rows))).tolist()
    ]
    found += _near(rows, similarities, thumbnails, first_of)

    def order(pair: Duplicate) -> tuple[bool, bool, bool, float, int, int]:
        same_split = bool(splits[pair.first] == splits[pair.second])
        same_label = bool(labels[pair.first] == labels[pair.second])
        return same_split, same_label, not pair.exact, -pair.similarity, pair.first, pair.second

    return sorted(found, key=order)


def _first_of_each(digests: Iterable[bytes]) -> NDArray[np.int64]:
    """Return the row of the first image with the same pixels for each image, (N,)."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], np.int64)


def _near(
    rows: NDArray[np.int64], similarities: Floats, thumbnails: NDArray[np.uint8], first_of: NDArray[np.int64]
) -> Iterator[Duplicate]:
    images, columns = np.nonzero(similarities >= SIMILARITY)
    values = similarities[images, columns]
    pairs = np.sort(np.stack([first_of[images], first_of[rows[images, columns]]], 1), 1)
    pairs, kept = np.unique(pairs, axis=0, return_index=True)
    values = values[kept]
    for start in range(0, len(pairs), _CHUNK):
        differences = _differences(thumbnails, pairs[start : start + _CHUNK])
        for row in np.flatnonzero(differences <= DIFFERENCE).tolist():
            first, second = pairs[start + row].tolist()
            if first != second:
                yield Duplicate(first, second, False, float(values[start + row]), float(differences[row]))


def _differences(thumbnails: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean absolute differences of pairs (M, 2) of thumbnails in standard deviations of the more varied one;
    infinite for images without any contrast."""
    first, second = (thumbnails[rows].astype(np.float32) for rows in pairs.T)
    spread = np.maximum(first.std(1), second.std(1))
    means = np.abs(first - second).mean(1)
    return np.where(spread > 0, means / np.where(spread > 0, spread, 1), np.float32(np.inf)).astype(np.float32)
