from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from tuitrain.training.data.sampler import balanced_order, balanced_weights

LABELS = torch.tensor([2] * 50 + [0] * 3 + [3] * 12)


def drawn(count: int, seed: int = 0, labels: Tensor = LABELS) -> Tensor:
    return balanced_order(labels, count, torch.Generator().manual_seed(seed))


def test_each_class_is_drawn_equally_often() -> None:
    assert Counter(LABELS[drawn(66)].tolist()) == {0: 22, 2: 22, 3: 22}


def test_the_classes_share_a_remainder_at_random() -> None:
    extra = {tuple(sorted(Counter(LABELS[drawn(8, seed)].tolist()).items())) for seed in range(40)}
    assert {tuple(count for _, count in counts) for counts in extra} == {(2, 3, 3), (3, 2, 3), (3, 3, 2)}


def test_every_image_of_a_class_is_drawn_with_the_same_probability() -> None:
    counts = drawn(90_000).bincount(minlength=len(LABELS))
    for label, size in ((2, 50), (0, 3), (3, 12)):
        assert (counts[label == LABELS] - 30_000 / size).abs().max() < 6 * (30_000 / size) ** 0.5


def test_the_order_mixes_the_classes() -> None:
    labels = LABELS[drawn(3000)]
    assert (labels[1:] == labels[:-1]).float().mean() < 0.4


def test_the_order_depends_on_the_generator_alone() -> None:
    assert torch.equal(drawn(100, 1), drawn(100, 1))
    assert not torch.equal(drawn(100, 1), drawn(100, 2))


@pytest.mark.parametrize("labels", [LABELS, torch.tensor([0, 0, 1]), torch.tensor([0])])
def test_weights_are_those_of_scikit_learn(labels: Tensor) -> None:
    present = np.unique(labels.numpy())
    expected = compute_class_weight("balanced", classes=present, y=labels.numpy())
    weights = balanced_weights(labels, 5)
    assert weights.dtype == torch.float32
    assert weights[torch.from_numpy(present)].tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert weights.count_nonzero() == len(present)
