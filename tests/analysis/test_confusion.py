import random
import warnings

import pytest

from tuitrain.analysis.confusion import (
    ClassScore,
    accuracy,
    class_scores,
    confusion_order,
    macro_average,
    most_confused,
)


def random_labels(seed: int) -> tuple[list[int], list[int], int]:
    """Labels of up to 12 classes, of which some have no sample and some are never predicted."""
    rng = random.Random(seed)
    size = rng.randint(2, 12)
    true_classes = rng.sample(range(size), rng.randint(1, size))
    predicted_classes = rng.sample(range(size), rng.randint(1, size))
    true = rng.choices(true_classes, k=rng.randint(1, 200))
    return true, [t if rng.random() < 0.6 else rng.choice(predicted_classes) for t in true], size


@pytest.mark.parametrize("seed", range(25))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    true, predicted, size = random_labels(seed)
    counts = confusion_matrix(true, predicted, labels=list(range(size))).tolist()
    options = {"labels": list(range(size)), "zero_division": float("nan")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = precision_recall_fscore_support(true, predicted, **options)
        macro = precision_recall_fscore_support(true, predicted, average="macro", **options)

    assert accuracy(counts) == pytest.approx(accuracy_score(true, predicted))
    scores = class_scores(counts)
    for score, (precision, recall, f1, support) in zip(scores, zip(*columns, strict=True), strict=True):
        assert same(score.precision, precision)
        assert same(score.recall, recall)
        assert same(score.f1, f1)
        assert score.support == support
    average = macro_average(scores)
    assert same(average.precision, macro[0])
    assert same(average.recall, macro[1])
    assert same(average.f1, macro[2])


def same(ours: float | None, theirs: float) -> bool:
    """Return whether both are equal; None stands for scikit-learn's nan."""
    return theirs != theirs if ours is None else ours == pytest.approx(theirs)


@pytest.mark.parametrize("counts", [[], [[0]], [[0, 0], [0, 0]]])
def test_without_samples_nothing_is_defined(counts: list[list[int]]) -> None:
    assert accuracy(counts) is None
    assert class_scores(counts) == [ClassScore(None, None, None, 0)] * len(counts)
    assert macro_average(class_scores(counts)) == ClassScore(None, None, None, 0)
    assert most_confused(counts) == []
    assert confusion_order(counts) == list(range(len(counts)))


def test_the_most_confused_pair_comes_first_and_ties_go_to_the_rarer_class() -> None:
    counts = [[90, 4, 6], [4, 16, 0], [0, 4, 6]]
    pairs = [(pair.true, pair.predicted, pair.count, pair.fraction) for pair in most_confused(counts)]
    assert pairs == [(0, 2, 6, 0.06), (2, 1, 4, 0.4), (1, 0, 4, 0.2), (0, 1, 4, 0.04)]
    assert [pair.count for pair in most_confused(counts, 2)] == [6, 4]


@pytest.mark.parametrize(
    ("size", "confused", "order"),
    [
        # Unconfused classes keep their places, sorted by the smallest class of each group.
        (6, {(0, 4): 20, (4, 0): 20, (1, 5): 10}, [0, 4, 1, 5, 2, 3]),
        (6, {(3, 0): 30, (0, 5): 29, (5, 1): 28, (1, 4): 27, (4, 2): 26}, [2, 4, 1, 5, 0, 3]),
        # The confusions of a pair in both directions add up.
        (4, {(0, 1): 20, (0, 3): 10, (3, 0): 15}, [1, 0, 3, 2]),
        # Two groups are joined at the ends that are confused, in all four ways.
        (4, {(0, 2): 20, (1, 3): 19, (0, 1): 5}, [2, 0, 1, 3]),
        (4, {(0, 2): 20, (1, 3): 19, (2, 1): 5}, [0, 2, 1, 3]),
        (4, {(0, 2): 20, (1, 3): 19, (0, 3): 5}, [1, 3, 0, 2]),
        (4, {(0, 2): 20, (1, 3): 19, (2, 3): 5}, [0, 2, 3, 1]),
        # A class in the middle of its group is as near to either end.
        (6, {(0, 2): 30, (2, 4): 29, (1, 3): 28, (3, 5): 27, (2, 5): 3}, [0, 2, 4, 5, 3, 1]),
        (6, {(0, 2): 30, (2, 4): 29, (1, 3): 28, (3, 5): 27, (4, 3): 3}, [0, 2, 4, 5, 3, 1]),
        (6, {(0, 2): 30, (2, 4): 29, (1, 3): 28, (3, 5): 27, (2, 3): 3}, [0, 2, 4, 1, 3, 5]),
    ],
)
def test_confused_classes_become_neighbors(size: int, confused: dict[tuple[int, int], int], order: list[int]) -> None:
    counts = [[100 if true == predicted else 0 for predicted in range(size)] for true in range(size)]
    for (true, predicted), count in confused.items():
        counts[true][predicted] = count
    assert confusion_order(counts) == order


def test_confusions_are_compared_as_fractions_of_their_class() -> None:
    # 4 of 10 images of class 2, but 6 of 106 of class 0 and 5 of 105 of class 1.
    assert confusion_order([[100, 6, 0], [0, 100, 5], [4, 0, 6]]) == [1, 0, 2]


@pytest.mark.parametrize("seed", range(10))
def test_the_order_holds_every_class_once_and_keeps_blocks_together(seed: int) -> None:
    rng = random.Random(seed)
    classes = list(range(20))
    rng.shuffle(classes)
    block = {name: position // 5 for position, name in enumerate(classes)}
    counts = [[rng.randint(5, 9) if block[row] == block[column] else 0 for column in range(20)] for row in range(20)]
    order = confusion_order(counts)
    assert sorted(order) == list(range(20))
    assert len({tuple({block[name] for name in order[start : start + 5]}) for start in (0, 5, 10, 15)}) == 4
    assert order == confusion_order(counts)


@pytest.mark.parametrize("seed", range(20))
def test_a_limit_gives_the_first_of_all_pairs(seed: int) -> None:
    chance = random.Random(seed)
    size, most = chance.randint(1, 9), chance.choice([1, 2, 50])
    counts = [[chance.randint(0, most) for _ in range(size)] for _ in range(size)]
    pairs = most_confused(counts)
    assert len(pairs) == sum(count > 0 for true, row in enumerate(counts) for p, count in enumerate(row) if p != true)
    for limit in range(size * size + 2):
        assert most_confused(counts, limit) == pairs[:limit]
