import pytest
import torch

from tuitrain.training.data.transforms import policies
from tuitrain.training.data.transforms.policies import RANDAUGMENT, TRIVIALAUGMENT, Limits

IMAGES = torch.rand(64, 3, 20, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("limits", [RANDAUGMENT, TRIVIALAUGMENT])
def test_strength_is_the_size_of_the_change(limits: Limits) -> None:
    """Without strength all operations but the last two, which have none, change nothing."""
    for operation in policies.operations_of(limits)[:-2]:
        weak, medium, strong = (operation(IMAGES, torch.full((64,), strength)) for strength in (0.0, 0.5, -1.0))
        torch.testing.assert_close(weak, IMAGES, atol=2 / 255, rtol=0)
        assert not torch.allclose(medium, IMAGES, atol=2 / 255)
        assert not torch.equal(medium, strong)
        assert ((strong >= 0) & (strong <= 1)).all()


def test_each_image_takes_its_own_operations() -> None:
    torch.manual_seed(0)
    same = IMAGES[:1].repeat(600, 1, 1, 1)
    one, two = policies.trivialaugment(same), policies.randaugment(same, 9)
    # The identity is one of 14 operations; autocontrast and equalize have no magnitude.
    unchanged = [int((result == same).flatten(1).all(1).sum()) for result in (one, two)]
    assert 25 < unchanged[0] < 80
    assert unchanged[1] < 20
    assert len(set(one.mean((1, 2, 3)).tolist())) > 200
    assert len(set(two.mean((1, 2, 3)).tolist())) > 100


def test_the_magnitude_sets_the_strength() -> None:
    changes = []
    for magnitude in (0, 9, 30):
        torch.manual_seed(1)
        changes.append((policies.randaugment(IMAGES, magnitude) - IMAGES).abs().mean().item())
    assert changes[0] < changes[1] < changes[2]
