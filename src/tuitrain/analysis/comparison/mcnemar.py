"""McNemar's exact test: do two models evaluated on the same images differ by more than chance? (McNemar 1947)"""

import sys
from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import comb, fsum
from operator import mul

from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation

LEVEL, STRONG = 0.05, 0.001


@dataclass(frozen=True, slots=True)
class McNemar:
    """The number of images that only one model classifies correctly, and the two-sided binomial `p`."""

    images: int
    only_first: int
    only_second: int
    p: float

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def gain(self) -> int:
        return self.only_second - self.only_first


def exact_p(only_first: int, only_second: int) -> float:
    """Return the probability that a fair coin splits the disagreements at least this unevenly (two-sided binomial
    test)."""
    count, fewer = only_first + only_second, min(only_first, only_second)
    if count == 0:
        return 1.0
    # Terms relative to the last and largest one, since C(n, k - 1) / C(n, k) = k / (n - k + 1).
    ratios = (k / (count - k + 1) for k in range(fewer, 0, -1))
    terms = accumulate(ratios, mul, initial=1.0)
    return min(1.0, 2 * (comb(count, fewer) / (1 << count)) * fsum(terms))


def mcnemar(first: Evaluation, second: Evaluation) -> McNemar:
    """Compare two evaluations. Raises RunError unless both store predictions for the same images in the same order."""
    for evaluation in (first, second):
        if not evaluation.true or len(evaluation.true) != len(evaluation.predicted) or len(evaluation.true) % 2:
            hint = "Evaluate both with: tuitrain evaluate RUN"
            raise RunError("At least one of the evaluations stores no predictions.", hint)
    images = f"{len(first.true) // 2:,} and {len(second.true) // 2:,}"
    if (
        first.split != second.split
        or len(first.true) != len(second.true)
        or different_images(first.fingerprint, second.fingerprint)
    ):
        raise RunError(f"The runs were evaluated on different images ({images}), so they cannot be compared in pairs.")
    if first.classes != second.classes or first.true != second.true:
        raise RunError("The runs were evaluated on different images, or in a different order.")
    pairs = zip(_correct(first), _correct(second), strict=True)
    differences = [one - other for one, other in pairs]
    only_first, only_second = differences.count(1), differences.count(-1)
    return McNemar(len(differences), only_first, only_second, exact_p(only_first, only_second))


def different_images(first: str, second: str) -> bool:
    """Return whether two fingerprints identify different splits; False if one is empty, as in older runs."""
    return bool(first and second) and first != second


def _correct(evaluation: Evaluation) -> list[bool]:
    true, predicted = array("H", evaluation.true), array("H", evaluation.predicted)
    if sys.byteorder == "big":
        true.byteswap()
        predicted.byteswap()
    return [one == other for one, other in zip(true, predicted, strict=True)]


def p_value(p: float) -> str:
    return "<1e-16" if p < 1e-16 else f"{p:.2g}"


def p_text(p: float) -> str:
    return "p < 1e-16" if p < 1e-16 else f"p = {p_value(p)}"


def verdict(result: McNemar, first: str, second: str) -> str:
    """Describe the result in a sentence; `first` and `second` are the names of the models."""
    images = f"{result.images:,} test images"
    if not result.only_first + result.only_second:
        return f"{first} and {second} are right on the same of the {images}: no difference."
    better, worse = (second, first) if result.gain >= 0 else (first, second)
    more, fewer = max(result.only_first, result.only_second), min(result.only_first, result.only_second)
    counts = (
        f"{better} alone is right on {more:,} of {images}, {worse} alone on {fewer:,}"
        if result.gain
        else f"Each alone is right on {more:,} of {images}"
    )
    meaning = "this may well be chance"
    if result.significant:
        meaning = f"the difference is {'very ' if result.p < STRONG else ''}unlikely to be chance"
    return f"{counts} (McNemar {p_text(result.p)}): {meaning}."
