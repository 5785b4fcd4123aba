import random
from collections import Counter

import pytest

from tuitrain.config.data.datasets import held_out_counts
from tuitrain.image_folder.hold_out import hold_out, hold_out_by_position


@pytest.mark.parametrize("counts", [[10, 10], [1, 50], [3, 7, 90], [2, 1]])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9])
def test_single_images_are_held_out_by_class(counts: list[int], fraction: float) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    held = hold_out(labels, [f"{row}.png" for row in range(len(labels))], fraction, "test/0")
    assert held == sorted(set(held))
    found = Counter(labels[row] for row in held)
    assert [found[label] for label in range(len(counts))] == held_out_counts(counts, fraction)


def test_a_growing_folder_keeps_its_held_out_images() -> None:
    names = [f"{label}/{number:03}.png" for label in "ab" for number in range(100)]

    def held(names: list[str]) -> set[str]:
        return {names[row] for row in hold_out([name < "b" for name in names], names, 0.2, "test/0")}

    before = held(names)
    assert len(before) == 40
    for added in range(50):
        grown = sorted([*names, *(f"a/{added}-{number}.png" for number in range(5))])
        assert len(before & held(grown)) >= 38
    # The order of the files plays no role.
    assert held(random.Random(0).sample(names, len(names))) == before
    # A renamed file changes no other.
    renamed = ["a/renamed.png" if name == "a/007.png" else name for name in names]
    assert len(before & held(renamed)) >= 38


def test_other_seeds_hold_out_other_images() -> None:
    names = [f"{number}.png" for number in range(100)]
    first, second = (set(hold_out([0] * 100, names, 0.2, f"validation/{seed}")) for seed in (0, 1))
    assert len(first & second) < 15


@pytest.mark.parametrize("size", [2, 7, 10])
def test_groups_stay_together(size: int) -> None:
    labels = [row % 2 for row in range(200)]
    groups = [f"patient {row // size}" for row in range(200)]
    held = set(hold_out(labels, groups, 0.2, "test/0"))
    assert {groups[row] for row in held}.isdisjoint(groups[row] for row in range(200) if row not in held)
    assert 30 <= len(held) <= 50


def test_large_groups_leave_every_class_an_image() -> None:
    # Group 0 contains the only images of class 1, and group 2 is larger than what is wanted.
    labels, groups = [0, 1, 1, 0, 0, 0, 0, 0], [*"000", *"11", *"222"]
    assert hold_out(labels, groups, 0.1, "test/0") == [3, 4]
    assert hold_out([0, 1, 0, 1], [*"0000"], 0.5, "test/0") == []


NAMES = [f"{label}/{number}.png" for label in "ab" for number in range(10)]
TRIPLES = [f"group {row // 3}" for row in range(15)]


@pytest.mark.parametrize(
    ("labels", "groups", "fraction", "salt", "held"),
    [
        ([0] * 10 + [1] * 10, NAMES, 0.2, "test/0", [3, 5, 14, 18]),
        ([0] * 10 + [1] * 10, NAMES, 0.25, "validation/7", [1, 2, 8, 11, 16]),
        ([0] * 9 + [1] * 6, TRIPLES, 0.2, "test/0", [3, 4, 5]),
        ([0] * 9 + [1] * 6, TRIPLES, 0.3, "test/0", [3, 4, 5, 9, 10, 11]),
        ([0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0], [*"aabbbcddeeeefgh"], 0.1, "test/0", [0, 1]),
        ([0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0], [*"aabbbcddeeeefgh"], 0.2, "test/0", [0, 1, 14]),
        ([0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0], [*"aabbbcddeeeefgh"], 0.3, "test/0", [0, 1, 2, 3, 4, 14]),
        ([0, 0, 0, 1, 1, 1], [*"aabcdd"], 0.34, "test/0", [0, 1, 3]),
    ],
)
def test_a_resumed_run_finds_the_same_images_held_out(
    labels: list[int], groups: list[str], fraction: float, salt: str, held: list[int]
) -> None:
    assert hold_out(labels, groups, fraction, salt) == held


@pytest.mark.parametrize(
    ("labels", "fraction", "seed", "held"),
    [
        ([0] * 10 + [1] * 5, 0.2, 0, [1, 6, 11]),
        ([1, 0, 1, 0, 1, 0, 1, 0], 0.5, 1, [1, 2, 4, 7]),
        # No image of class 1; every class keeps an image.
        ([0, 2, 2, 0], 0.5, 0, [1, 3]),
        ([0, 0, 1], 0.9, 3, [1]),
    ],
)
def test_a_resumed_older_run_finds_the_same_images_held_out(
    labels: list[int], fraction: float, seed: int, held: list[int]
) -> None:
    assert hold_out_by_position(labels, fraction, seed) == held
