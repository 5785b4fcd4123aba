"""What a confusion matrix says. `counts[t][p]` is how many samples of class t were taken for class p; it is square."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

Counts = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Fractions 0..1, None where they are undefined: precision of a class never predicted, recall of one without
    samples, F1 of one with neither. `support` is the number of samples of the class."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """`count` samples of class `true` were taken for class `predicted`; `fraction` is their part of class `true`."""

    true: int
    predicted: int
    count: int
    fraction: float


def accuracy(counts: Counts) -> float | None:
    """The fraction on the diagonal; None without samples."""
    return _ratio(sum(row[index] for index, row in enumerate(counts)), sum(map(sum, counts)))


def class_scores(counts: Counts) -> list[ClassScore]:
    """One score a class, in the order of the classes."""
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
    """The mean over the classes that have the value, each class counting the same; `support` is the sum."""
    return ClassScore(
        precision=_mean(score.precision for score in scores),
        recall=_mean(score.recall for score in scores),
        f1=_mean(score.f1 for score in scores),
        support=sum(score.support for score in scores),
    )


def most_confused(counts: Counts, limit: int | None = None) -> list[Confusion]:
    """The errors by class pair, most samples first, then the greater part of the true class; `limit` None gives all."""
    pairs = []
    for true, row in enumerate(counts):
        support = sum(row)
        pairs += [Confusion(true, p, count, count / support) for p, count in enumerate(row) if count and p != true]
    pairs.sort(key=lambda pair: (-pair.count, -pair.fraction, pair.true, pair.predicted))
    return pairs[:limit]


def confusion_order(counts: Counts) -> list[int]:
    """The classes in an order that puts those next to each other that are taken for one another.

    Single-linkage seriation: the most confused pair first, two groups are joined, each turned round if that brings
    the two classes nearer. Groups follow one another by their smallest class; without errors the order is unchanged.
    """
    group_of = {index: [index] for index in range(len(counts))}
    for one, other in _links(counts):
        left, right = group_of[one], group_of[other]
        if left is right:
            continue
        if left.index(one) < len(left) / 2 - 0.5:
            left.reverse()
        if right.index(other) > len(right) / 2 - 0.5:
            right.reverse()
        left += right
        group_of.update(dict.fromkeys(right, left))
    groups = {id(group): group for group in group_of.values()}.values()
    upright = [group if group[0] <= group[-1] else group[::-1] for group in groups]
    return [index for group in sorted(upright, key=min) for index in group]


def _links(counts: Counts) -> list[tuple[int, int]]:
    """Pairs of classes with errors between them, the greatest fraction of both classes' samples first."""
    supports = [sum(row) or 1 for row in counts]
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
