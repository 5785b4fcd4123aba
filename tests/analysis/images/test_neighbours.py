import numpy as np
import pytest
from numpy.typing import NDArray

from tuitrain.analysis.images import neighbours
from tuitrain.analysis.images.neighbours import nearest


def by_hand(features: NDArray[np.float64], queries: NDArray[np.float64], k: int) -> list[list[int]]:
    found = []
    for query in queries:
        cosines = [float(query @ row / np.linalg.norm(query) / np.linalg.norm(row)) for row in features]
        found.append(sorted(range(len(features)), key=lambda row: (-cosines[row], row))[:k])
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("chunk", [8, 40, 2**22])
def test_nearest_rows_have_the_largest_cosine(
    monkeypatch: pytest.MonkeyPatch, chunk: int, dtype: type[np.floating]
) -> None:
    monkeypatch.setattr(neighbours, "_CHUNK", chunk)
    random = np.random.default_rng(0)
    features, queries = random.normal(size=(50, 6)).astype(dtype), random.normal(size=(3, 6)).astype(dtype)
    rows, similarities = nearest(features, queries, 5)
    assert rows.tolist() == by_hand(features.astype(float), queries.astype(float), 5)
    assert (np.diff(similarities) <= 0).all()
    assert (np.abs(similarities) <= 1 + 1e-6).all()


def test_length_does_not_matter() -> None:
    rows, similarities = nearest(np.array([[3e38, 3e38], [1, 0], [-5, 0]]), np.array([[1e-30, 0.0]]), 3)
    assert rows.tolist() == [[1, 0, 2]]
    np.testing.assert_allclose(similarities, [[1, np.sqrt(0.5), -1]], rtol=1e-5)


def test_equal_rows_come_in_their_order_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_CHUNK", 2)
    assert nearest(np.ones((7, 2)), np.ones((1, 2)), 4)[0].tolist() == [[0, 1, 2, 3]]


def test_vectors_without_direction_are_similar_to_nothing() -> None:
    features = np.array([[0, 0], [np.nan, 1], [np.inf, 0], [1, 1]])
    rows, similarities = nearest(features, np.array([[1.0, 1.0], [0.0, 0.0]]), 2)
    assert rows.tolist() == [[3, 1], [0, 1]]
    np.testing.assert_allclose(similarities, [[1, np.sqrt(0.5)], [0, 0]], rtol=1e-5)


@pytest.mark.parametrize(("count", "k"), [(0, 3), (2, 5), (4, 0)])
def test_fewer_rows_than_asked_for(count: int, k: int) -> None:
    rows, similarities = nearest(np.ones((count, 3)), np.ones((2, 3)), k)
    assert rows.shape == similarities.shape == (2, min(count, k))
