import random
from array import array

import msgspec
import pytest
from scipy.stats import binomtest

from tuitrain.analysis.comparison.mcnemar import McNemar, exact_p, mcnemar, p_text, p_value, verdict
from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation


def answers(
    true: list[int], predicted: list[int], classes: int = 3, split: str = "test", images: str = ""
) -> Evaluation:
    confusion = [[0] * classes for _ in range(classes)]
    for one, other in zip(true, predicted, strict=True):
        confusion[one][other] += 1
    right = sum(confusion[number][number] for number in range(classes))
    return Evaluation(
        split=split,  # type: ignore[arg-type]
        checkpoint="last",
        epoch=1,
        step=1,
        loss=0.5,
        accuracy=right / len(true),
        classes=[f"class {number}" for number in range(classes)],
        confusion=confusion,
        true=array("H", true).tobytes(),
        predicted=array("H", predicted).tobytes(),
        fingerprint=images,
    )


@pytest.mark.parametrize("largest", [5, 40, 700])
def test_p_is_that_of_scipys_binomial_test(largest: int) -> None:
    numbers = random.Random(largest)
    for _ in range(50):
        first, second = numbers.randint(0, largest), numbers.randint(1, largest)
        expected = binomtest(first, first + second).pvalue
        assert exact_p(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_predictions_are_counted_image_by_image() -> None:
    numbers = random.Random(1)
    true, first, second = ([numbers.randrange(3) for _ in range(500)] for _ in range(3))
    found = mcnemar(answers(true, first), answers(true, second))
    only_first = sum(a == t != b for t, a, b in zip(true, first, second, strict=True))
    only_second = sum(b == t != a for t, a, b in zip(true, first, second, strict=True))
    assert (found.images, found.only_first, found.only_second) == (500, only_first, only_second)
    assert found.p == pytest.approx(binomtest(only_first, only_first + only_second).pvalue)
    assert found.gain == only_second - only_first


def test_large_counts_neither_overflow_nor_take_long() -> None:
    assert exact_p(0, 50_000) == 0.0
    assert exact_p(25_000, 25_000) == 1.0


@pytest.mark.parametrize(
    ("only_old", "only_new", "p", "said"),
    [
        (5, 1_200, 0.00099, "new alone is right on 1,200 of 2,000 test images, old alone on 5 (McNemar p = 0.00099):"
         " the difference is very unlikely to be chance."),
        (8, 2, 0.001, "old alone is right on 8 of 2,000 test images, new alone on 2 (McNemar p = 0.001):"
         " the difference is unlikely to be chance."),
        (8, 2, 0.0499, "old alone is right on 8 of 2,000 test images, new alone on 2 (McNemar p = 0.05):"
         " the difference is unlikely to be chance."),
        (8, 2, 0.05, "old alone is right on 8 of 2,000 test images, new alone on 2 (McNemar p = 0.05):"
         " this may well be chance."),
        (1, 1, 1.0, "Each alone is right on 1 of 2,000 test images (McNemar p = 1): this may well be chance."),
        (0, 0, 1.0, "old and new are right on the same of the 2,000 test images: no difference."),
    ],
)  # fmt: skip
def test_the_verdict_says_whether_the_difference_means_anything(
    only_old: int, only_new: int, p: float, said: str
) -> None:
    assert verdict(McNemar(2000, only_old, only_new, p), "old", "new") == said


@pytest.mark.parametrize(
    ("p", "cell", "text"),
    [
        (1.0, "1", "p = 1"),
        (0.01234, "0.012", "p = 0.012"),
        (1e-16, "1e-16", "p = 1e-16"),
        (0.9e-16, "<1e-16", "p < 1e-16"),
    ],
)
def test_p_as_text(p: float, cell: str, text: str) -> None:
    assert (p_value(p), p_text(p)) == (cell, text)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (answers([0, 1], [0, 1]), answers([0, 1, 2], [0, 1, 2]), r"different images \(2 and 3\)"),
        (answers([0, 1], [0, 1]), answers([1, 0], [0, 1]), "different images, or in a different order"),
        (answers([0, 1], [0, 1]), answers([0, 1], [0, 1], classes=4), "different images"),
        (answers([0, 1], [0, 1]), answers([0, 1], [0, 1], split="validation"), "different images"),
        (answers([0, 1], [0, 1], images="1f"), answers([0, 1], [0, 1], images="2f"), r"different images \(2 and 2\)"),
    ],
)
def test_different_images_are_refused(first: Evaluation, second: Evaluation, said: str) -> None:
    with pytest.raises(RunError, match=said):
        mcnemar(first, second)


def test_equal_or_unknown_images_are_compared() -> None:
    for known in ("1f", ""):
        assert mcnemar(answers([0, 1], [0, 1], images="1f"), answers([0, 1], [0, 0], images=known)).only_first == 1


@pytest.mark.parametrize(
    ("true", "predicted"), [(b"", b""), (b"\0\0\0\0", b"\0\0"), (b"\0\0\0", b"\0\0\0"), (b"", b"\0\0")]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_evaluations_without_predictions_are_refused(true: bytes, predicted: bytes, is_first: bool) -> None:
    whole = answers([0, 1], [0, 1])
    bad = msgspec.structs.replace(whole, true=true, predicted=predicted)
    with pytest.raises(RunError, match=r"stores no predictions.*tuitrain evaluate"):
        mcnemar(bad if is_first else whole, whole if is_first else bad)
