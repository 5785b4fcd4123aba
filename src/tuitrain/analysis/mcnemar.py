"""Whether two models that were tested on the same images differ by more than chance (McNemar 1947, exact)."""

import sys
from array import array
from dataclasses import dataclass
from math import comb, fsum

from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation

LEVEL = 0.05
AGAIN = "Evaluate both with: tuitrain evaluate RUN"


@dataclass(frozen=True, slots=True)
class McNemar:
    """Of `images`, so many has only one of the two right; `p` is two-sided, from the binomial distribution."""

    images: int
    only_first: int
    only_second: int
    p: float

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def gain(self) -> int:
        """How many more images the second has right."""
        return self.only_second - self.only_first


def exact_p(only_first: int, only_second: int) -> float:
    """The chance that equally good models differ at least so much: binomial with 1/2 on what only one has right."""
    count, fewer = only_first + only_second, min(only_first, only_second)
    if count == 0:
        return 1.0
    # The terms of the sum as parts of the last and largest: C(n, k - 1) / C(n, k) = k / (n - k + 1).
    part, parts = 1.0, [1.0]
    for k in range(fewer, 0, -1):
        part *= k / (count - k + 1)
        if part < 1e-18:
            break
        parts.append(part)
    return min(1.0, 2 * (comb(count, fewer) / (1 << count)) * fsum(parts))


def mcnemar(first: Evaluation, second: Evaluation) -> McNemar:
    """Raises RunError where the two were not tested on the same images, or do not say what each image was taken for."""
    for evaluation in (first, second):
        if not evaluation.true or len(evaluation.true) != len(evaluation.predicted) or len(evaluation.true) % 2:
            raise RunError("Which images were right is not known for both runs.", AGAIN)
    if first.split != second.split or len(first.true) != len(second.true):
        raise RunError(
            f"The two were tested on different images: {len(first.true) // 2:,} and {len(second.true) // 2:,} of them."
        )
    if first.classes != second.classes or first.true != second.true:
        raise RunError("The two were tested on different images, or on the same in another order.")
    pairs = zip(_right(first), _right(second), strict=True)
    only = [one - other for one, other in pairs]
    only_first, only_second = only.count(1), only.count(-1)
    return McNemar(len(only), only_first, only_second, exact_p(only_first, only_second))


def _right(evaluation: Evaluation) -> list[bool]:
    """For each image whether it was taken for what it is."""
    true, predicted = array("H", evaluation.true), array("H", evaluation.predicted)
    if sys.byteorder == "big":
        true.byteswap()
        predicted.byteswap()
    return [one == other for one, other in zip(true, predicted, strict=True)]


def p_text(p: float) -> str:
    return "p < 1e-16" if p < 1e-16 else f"p = {p:.2g}"


def verdict(result: McNemar, first: str, second: str) -> str:
    """What the test says, in words; `first` and `second` are the names of the two."""
    if not result.only_first + result.only_second:
        return f"{first} and {second} have the same of the {result.images:,} images right: nothing tells them apart."
    better, worse = (second, first) if result.gain >= 0 else (first, second)
    gained, lost = max(result.only_first, result.only_second), min(result.only_first, result.only_second)
    counted = (
        f"{gained:,} of {result.images:,} images only {better} has right, {lost:,} only {worse}: "
        f"{abs(result.gain):,} more for {better}"
        if result.gain
        else f"Each has {gained:,} of {result.images:,} images right that the other has not"
    )
    meaning = (
        "Chance alone would hardly do that: the two models do differ."
        if result.significant
        else "Chance alone does that often: these images do not tell which one is better."
    )
    return f"{counted}. {p_text(result.p)}. {meaning}"
