import pytest
import torch
from scipy.stats import beta, kstest

from tuitrain.config.data.schema import Data
from tuitrain.training.data.transforms.mixing import blend_shares, hard_labels, mixing

# Each image is white in its own channel, so that a mixture shows the share of each of its images.
IMAGES = torch.eye(8).view(8, 8, 1, 1).repeat(1, 1, 10, 12)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])


def shares(*names: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how much of each pixel is the image itself, (8, 10, 12), and the probability of its own class, (8,)."""
    mix = mixing(Data(augment=names, mixup_alpha=1.0), 5)  # type: ignore[arg-type]
    assert mix is not None
    images, targets = mix(IMAGES, LABELS)
    torch.testing.assert_close(images.sum(1), torch.ones(8, 10, 12))
    torch.testing.assert_close(targets.sum(1), torch.ones(8))
    own = images[torch.arange(8), torch.arange(8)]
    other = images[torch.arange(8), (torch.arange(8) - 1) % 8]
    torch.testing.assert_close(own + other, torch.ones(8, 10, 12))
    probability = targets[torch.arange(8), LABELS]
    torch.testing.assert_close(probability, own.mean((1, 2)))
    torch.testing.assert_close(targets[torch.arange(8), LABELS.roll(1)], 1 - probability)
    return own, probability


def test_without_names_nothing_is_mixed() -> None:
    assert mixing(Data(augment=("flip",)), 5) is None


def test_mixup_blends_each_image_in_its_own_proportion() -> None:
    torch.manual_seed(0)
    own, probability = shares("mixup")
    assert all(len(set(image.flatten().tolist())) == 1 for image in own)
    assert len(set(probability.tolist())) == 8


def test_cutmix_cuts_rectangles() -> None:
    torch.manual_seed(0)
    own, probability = shares("cutmix")
    assert set(own.flatten().tolist()) == {0.0, 1.0}
    assert len(set(probability.tolist())) >= 5


def test_with_both_each_batch_takes_one() -> None:
    torch.manual_seed(0)
    blended = [len(set(shares("mixup", "cutmix")[0].flatten().tolist())) > 2 for _ in range(60)]
    assert 15 < sum(blended) < 45


@pytest.mark.parametrize("alpha", [0.2, 1.0, 100.0])
def test_shares_have_a_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    shares = blend_shares(torch.zeros(4000, 1, 1, 1), alpha).flatten()
    assert kstest(shares.numpy(), beta(alpha, alpha).cdf).pvalue > 0.01


def test_extreme_shares_are_numbers() -> None:
    torch.manual_seed(0)
    shares = blend_shares(torch.zeros(4000, 1, 1, 1), 0.05)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (((shares - 0.5).abs() > 0.4).float().mean() > 0.8).item()


def test_hard_labels_are_the_heavier_ones() -> None:
    assert hard_labels(LABELS) is LABELS
    assert hard_labels(torch.tensor([[0.2, 0.8], [0.6, 0.4]])).tolist() == [1, 0]
