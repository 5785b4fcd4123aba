"""Scores and orderings from a confusion matrix: `counts[t][p]` samples of true class t were predicted as class p."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

Counts = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Fractions from 0 to 1, or None if undefined: precision without predictions, recall without samples, F1 without
    either. `support` is the number of samples of the class."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """`count` samples of class `true` were predicted as `predicted`; `fraction` is their share of class `true`."""

    true: int
    predicted: int
    count: int
    fraction: float


def correct_and_total(counts: Counts) -> tuple[int, int]:
    """Return the number of samples that are predicted correctly, and that of all samples."""
    return sum(row[index] for index, row in enumerate(counts)), sum(map(sum, counts))


def accuracy(counts: Counts) -> float | None:
    return _ratio(*correct_and_total(counts))


def class_scores(counts: Counts) -> list[ClassScore]:
    predicted = [sum(column) for column in zip(*counts, strict=True)]
    scores = []
    for index, row in enumerate(counts):
        hits, support = row[index], sum(row)
        scores.append(
            ClassScore(
                precision=_ratio(hits, predicted[index]),
                recall=_ratio(hits, support),
                f1=_ratio(2 * hits, support + predicted[index]),
                support=support,
            )
        )
    return scores


def macro_average(scores: Sequence[ClassScore]) -> ClassScore:
    """Average over the classes with a defined value, unweighted; `support` is the sum."""
    return ClassScore(
        precision=_mean(score.precision for score in scores),
        recall=_mean(score.recall for score in scores),
        f1=_mean(score.f1 for score in scores),
        support=sum(score.support for score in scores),
    )


def most_confused(counts: Counts, limit: int | None = None) -> list[Confusion]:
    """Return the pairs of confused classes, by descending count, then by descending fraction; at most `limit`."""
    pairs = []
    largest = [max(max(row[:true], default=0), max(row[true + 1 :], default=0)) for true, row in enumerate(counts)]
    # As many rows have a pair with at least this count; of a million pairs, few do.
    ranked = sorted(largest, reverse=True)
    least = max(1, ranked[limit - 1]) if limit is not None and 0 < limit <= len(ranked) else 1
    for true, row in enumerate(counts):
        if largest[true] >= least:
            support = sum(row)
            pairs += [
                Confusion(true, p, count, count / support)
                for p, count in enumerate(row)
                if count >= least and p != true
            ]
    pairs.sort(key=lambda pair: (-pair.count, -pair.fraction, pair.true, pair.predicted))
    return pairs[:limit]


def confusion_order(counts: Counts) -> list[int]:
    """Return an order of the classes that places frequently confused classes next to each other.

    Single-linkage seriation: starting with the most confused pair, join two groups, reversing either if that brings the
    pair closer together. The groups are sorted by their smallest class; without errors the order is unchanged.
    """
    group_of = {index: [index] for index in range(len(counts))}
    for first, second in _confused_pairs(counts):
        left, right = group_of[first], group_of[second]
        if left is right:
            continue
        if 2 * left.index(first) < len(left) - 1:
            left.reverse()
        if 2 * right.index(second) > len(right) - 1:
            right.reverse()
        left += right
        group_of.update(dict.fromkeys(right, left))
    groups = {id(group): group for group in group_of.values()}.values()
    ascending = [group if group[0] <= group[-1] else group[::-1] for group in groups]
    return [index for group in sorted(ascending, key=min) for index in group]


def _confused_pairs(counts: Counts) -> list[tuple[int, int]]:
    """Return the pairs with confusions, by descending fraction of both classes' samples."""
    supports = [sum(row) for row in counts]
    errors: dict[tuple[int, int], float] = {}
    for true, row in enumerate(counts):
        for predicted, count in enumerate(row):
            if count and predicted != true:
                pair = (min(true, predicted), max(true, predicted))
                errors[pair] = errors.get(pair, 0.0) + count / supports[true]
    return sorted(errors, key=lambda pair: (-errors[pair], pair))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fsum(defined) / len(defined) if defined else None
