import random
from collections import Counter

import pytest

from tuitrain.image_folder.folds import deal, part

LABELS = [2] * 50 + [0] * 7 + [1] * 13
NAMES = [f"{number}.png" for number in range(70)]


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
def test_folds_are_disjoint_stratified_and_cover_everything(folds: int) -> None:
    dealt = deal(LABELS, NAMES, folds, "fold/0")
    sizes = Counter(dealt)
    assert sorted(sizes) == list(range(folds))
    assert [sizes[fold] for fold in range(folds)] == [len(range(fold, 70, folds)) for fold in range(folds)]
    for label in range(3):
        of_class = Counter(fold for fold, given in zip(dealt, LABELS, strict=True) if given == label)
        counts = [of_class[fold] for fold in range(folds)]
        assert max(counts) - min(counts) <= 1


def test_folds_depend_on_names_and_salt_alone() -> None:
    dealt = dict(zip(NAMES, deal(LABELS, NAMES, 5, "fold/0"), strict=True))
    order = random.Random(0).sample(range(70), 70)
    again = deal([LABELS[row] for row in order], [NAMES[row] for row in order], 5, "fold/0")
    assert [dealt[NAMES[row]] for row in order] == again
    assert list(dealt.values()) != deal(LABELS, NAMES, 5, "fold/1")


@pytest.mark.parametrize("seed", range(10))
def test_groups_stay_in_one_fold(seed: int) -> None:
    """Of groups of 1 to 6 images with one or two classes, each fold still gets about its share."""
    chance = random.Random(seed)
    labels: list[int] = []
    groups: list[str] = []
    for group in range(80):
        kinds = chance.sample(range(4), chance.choice((1, 1, 2)))
        for _ in range(chance.randint(1, 6)):
            labels.append(chance.choice(kinds))
            groups.append(str(group))
    dealt = deal(labels, groups, 5, "salt")
    folds_of: dict[str, set[int]] = {}
    for name, fold in zip(groups, dealt, strict=True):
        folds_of.setdefault(name, set()).add(fold)
    assert all(len(folds) == 1 for folds in folds_of.values())
    for label in range(4):
        of_class = Counter(fold for fold, given in zip(dealt, labels, strict=True) if given == label)
        assert max(of_class.values()) - min(of_class[fold] for fold in range(5)) <= 4


def test_a_fraction_is_stratified_and_nested() -> None:
    smaller: set[int] = set()
    for fraction in (0.01, 0.1, 0.25, 0.5, 0.75, 0.99, 1.0):
        rows = part(LABELS, NAMES, fraction, "fraction/0")
        assert rows == sorted(set(rows))
        counts = Counter(LABELS[row] for row in rows)
        for label, size in Counter(LABELS).items():
            assert abs(counts[label] - max(1, fraction * size)) <= 0.5
        assert smaller <= set(rows)
        smaller = set(rows)
    assert len(smaller) == 70
    assert part(LABELS, NAMES, 0.5, "fraction/0") != part(LABELS, NAMES, 0.5, "fraction/1")
