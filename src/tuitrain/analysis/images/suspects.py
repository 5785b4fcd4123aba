"""Rank images by how likely their label is wrong, by confident learning (Northcutt, Jiang and Chuang 2021).

The probabilities come from the nearest other images, so that they are out of sample: a network that has memorized a
wrong label is certain of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
# Neighbours that vote, and the weight of the uniform distribution beside them, in votes.
NEIGHBOURS, PRIOR = 10, 1.0
# A label is likely wrong only if another class is more probable by this much. Without it, 41 % of the correct labels of
# 2,500 photos look wrong by their pixels, which are weak features; with it, 8 %.
LEAD = 0.5


@dataclass(frozen=True, eq=False)
class LabelScores:
    """How well the labels of N images fit.

    `probability` (N,) float32 is that of the label, and `margin` (N,) this minus the probability of `suggested` (N,)
    int64, the most probable other class. `wrong` (N,) bool says whether the label is likely wrong, and `ranking` (N,)
    int64 has the rows by rising margin.
    """

    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    suggested: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    ranking: NDArray[np.int64]


def neighbour_probabilities(
    labels: NDArray[np.int64], rows: NDArray[np.int64], similarities: Floats, classes: int
) -> NDArray[np.float32]:
    """Return the probabilities (N, K) of the classes by the labels of the neighbours, whose `rows` and `similarities`
    are (N, k). Neighbours vote with their similarity; dissimilar ones do not vote."""
    weights = np.clip(similarities, 0, None).astype(np.float32)
    votes = np.full((len(labels), classes), PRIOR / classes, np.float32)
    np.add.at(votes, (np.arange(len(labels))[:, None], labels[rows]), weights)
    votes /= weights.sum(1, keepdims=True) + np.float32(PRIOR)
    return votes


def combined(neighbours: Floats, network: Floats, held_out: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the probabilities (N, K) of the `neighbours`, averaged with those of the `network` where the image was
    `held_out` (N,) of training and the network's output is finite."""
    found = neighbours.astype(np.float32)
    rows = np.flatnonzero(held_out)
    rows = rows[np.isfinite(network[rows]).all(1)]
    found[rows] = (found[rows] + network[rows]) / 2
    return found


def score_labels(probabilities: Floats, labels: NDArray[np.int64]) -> LabelScores:
    """Rank the images of N labels by their class probabilities (N, K).

    The threshold of a class is its mean probability among the images with this label. A label is likely wrong if
    another class reaches its threshold and is more probable by `LEAD`. With one class, no label is likely wrong.
    """
    every, classes = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[every, labels].astype(np.float32)
    others = probabilities.astype(np.float32)
    others[every, labels] = -1
    suggested = others.argmax(1) if classes > 1 else labels.copy()
    margin = own - np.maximum(others[every, suggested], 0)
    # In float64, so that the mean of equal probabilities is not above them.
    sums, counts = np.bincount(labels, own, classes), np.bincount(labels, minlength=classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf).astype(np.float32)
    others[others < thresholds] = -1
    rivals = others.max(1)
    wrong = rivals >= own + np.float32(LEAD)
    return LabelScores(own, margin, suggested, wrong, np.argsort(margin, kind="stable"))
