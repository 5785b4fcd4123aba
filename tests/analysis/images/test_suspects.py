import numpy as np
import pytest
from numpy.typing import NDArray

from tuitrain.analysis.images import neighbours
from tuitrain.analysis.images.neighbours import nearest, nearest_others
from tuitrain.analysis.images.suspects import LEAD, NEIGHBOURS, PRIOR, combined, neighbour_probabilities, score_labels


def clusters(
    count: int, classes: int, flipped: float
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return features around one center per class, their labels, of which some are flipped, and the rows of those."""
    random = np.random.default_rng(0)
    true = random.integers(0, classes, count)
    centers = random.normal(size=(classes, 16))
    features = centers[true] + random.normal(scale=0.4, size=(count, 16))
    rows = random.choice(count, int(flipped * count), replace=False)
    labels = true.copy()
    labels[rows] = (true[rows] + random.integers(1, classes, len(rows))) % classes
    return features.astype(np.float32), labels, rows


def by_hand(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> list[list[float]]:
    """Compute the probabilities in plain Python."""
    found = []
    units = [row / np.linalg.norm(row) for row in features.astype(float)]
    for own, unit in enumerate(units):
        cosines = sorted(((float(unit @ other), row) for row, other in enumerate(units) if row != own), reverse=True)
        votes = [PRIOR / classes] * classes
        for cosine, row in cosines[:NEIGHBOURS]:
            votes[labels[row]] += max(0.0, cosine)
        found.append([vote / sum(votes) for vote in votes])
    return found


def test_scores_agree_with_a_plain_script() -> None:
    features, labels, flipped = clusters(200, 4, 0.1)
    rows, similarities = nearest_others(features, NEIGHBOURS)
    probabilities = neighbour_probabilities(labels, rows, similarities, 4)
    expected = by_hand(features, labels, 4)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    scores = score_labels(probabilities, labels)
    thresholds = [
        np.mean([row[c] for row, label in zip(expected, labels, strict=True) if label == c]) for c in range(4)
    ]
    margins, wrong = [], []
    for row, label in zip(expected, labels, strict=True):
        margins.append(row[label] - max(value for c, value in enumerate(row) if c != label))
        confident = [value for c, value in enumerate(row) if c != label and value >= thresholds[c]]
        wrong.append(bool(confident) and max(confident) >= row[label] + LEAD)
    np.testing.assert_allclose(scores.margin, margins, atol=1e-5)
    assert scores.wrong.tolist() == wrong
    assert np.array(margins)[scores.ranking] == pytest.approx(sorted(margins), abs=1e-5)
    # The flipped labels come first.
    assert set(scores.ranking[: len(flipped)].tolist()) == set(flipped.tolist())


def test_a_label_that_is_nearly_as_probable_as_another_is_not_wrong() -> None:
    # The thresholds are 0.4 and 0.5.
    probabilities = np.array([[0.4, 0.6], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]], np.float32)
    scores = score_labels(probabilities, np.array([0, 1, 0, 0, 1]))
    assert scores.suggested.tolist() == [1, 0, 1, 1, 0]
    assert scores.wrong.tolist() == [False, False, True, False, False]


def test_classes_without_images_and_single_classes_are_not_suggested() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]], np.float32)
    scores = score_labels(probabilities, np.array([0, 1]))
    # Ties do not make a label wrong.
    assert not scores.wrong.any()
    assert scores.suggested.tolist() == [1, 0]
    scores = score_labels(np.ones((3, 1), np.float32), np.zeros(3, np.int64))
    assert (scores.suggested.tolist(), scores.margin.tolist()) == ([0] * 3, [1.0] * 3)
    assert not scores.wrong.any()


def test_the_network_votes_on_images_held_out_of_training() -> None:
    neighbours, network = np.full((3, 2), 0.5), np.array([[0.9, 0.1], [0.9, 0.1], [np.nan, np.nan]])
    found = combined(neighbours, network, np.array([False, True, True]))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.7, 0.3], [0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("pairs", [1, 700, 2**23])
@pytest.mark.parametrize("groups", [1, 32])
@pytest.mark.parametrize("k", [1, 5, 300])
def test_the_nearest_others_are_the_nearest_without_the_image(
    monkeypatch: pytest.MonkeyPatch, pairs: int, groups: int, k: int
) -> None:
    monkeypatch.setattr(neighbours, "_PAIRS", pairs)
    monkeypatch.setattr(neighbours, "_GROUPS", groups)
    # Rounded to have ties.
    features = np.random.default_rng(1).integers(-1, 2, (120, 3)).astype(np.float32)
    done: list[int] = []
    rows, similarities = nearest_others(features, k, done.append)
    assert (rows.shape, sum(done)) == ((120, min(k, 119)), 120)
    everything, values = nearest(features, features, 120)
    for own in range(120):
        others = everything[own] != own
        np.testing.assert_allclose(similarities[own], values[own][others][:k], atol=1e-6)
        assert own not in rows[own]
        assert len(set(rows[own].tolist())) == rows.shape[1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_have_few_others(count: int) -> None:
    rows, similarities = nearest_others(np.ones((count, 2), np.float32), 3)
    assert rows.shape == similarities.shape == (count, max(0, count - 1))
