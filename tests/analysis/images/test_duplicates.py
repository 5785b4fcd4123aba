import numpy as np
import pytest

from tuitrain.analysis.images import duplicates
from tuitrain.analysis.images.duplicates import Duplicate, find_duplicates
from tuitrain.analysis.images.neighbours import nearest_others

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (4, 64)).astype(np.uint8)


def found(pictures: list[int], splits: list[int], labels: list[int], noise: int = 0, k: int = 10) -> list[Duplicate]:
    """Return the duplicates among copies of four pictures, to each of which another value up to `noise` is added."""
    changed = RANDOM.integers(-noise, noise + 1, (len(pictures), 64)) if noise else 0
    thumbnails = np.clip(PICTURES[pictures].astype(int) + changed, 0, 255).astype(np.uint8)
    rows, similarities = nearest_others(thumbnails.astype(np.float32) - 128, k)
    digests = [picture.tobytes() for picture in thumbnails]
    return find_duplicates(rows, similarities, thumbnails, digests, np.array(splits), np.array(labels))


def test_pairs_across_splits_come_first_and_then_those_with_other_labels() -> None:
    pairs = found([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 2, 0, 0, 0, 1], [5, 5, 5, 5, 5, 6, 5, 6])
    assert [(pair.first, pair.second, pair.exact) for pair in pairs] == [
        (6, 7, True), (2, 3, True), (4, 5, True), (0, 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 2**16])
def test_near_duplicates_have_similar_features_and_pixels(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(duplicates, "_CHUNK", chunk)
    (pair,) = found([0, 1, 0], [0, 0, 0], [0, 0, 0], noise=2)
    assert (pair.first, pair.second, pair.exact) == (0, 2, False)
    assert 0 < pair.difference < 0.03
    assert 0.95 < pair.similarity < 1
    assert found([0, 1, 0], [0, 0, 0], [0, 0, 0], noise=16) == []


def test_pictures_without_contrast_are_duplicates_only_if_they_are_identical() -> None:
    thumbnails = np.array([[7] * 4, [8] * 4, [7] * 4], np.uint8)
    rows, similarities = nearest_others(np.ones((3, 2), np.float32), 2)
    zeros = np.zeros(3, np.int64)
    pairs = find_duplicates(rows, similarities, thumbnails, [b"a", b"b", b"a"], zeros, zeros)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 2)]


def test_each_exact_copy_is_paired_once_even_if_there_are_more_than_neighbours() -> None:
    pairs = found([0] * 30 + [1], [0] * 31, [0] * 31, k=3)
    assert [(pair.first, pair.second, pair.exact) for pair in pairs] == [(0, row, True) for row in range(1, 30)]
