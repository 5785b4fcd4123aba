"""Warps are those of torchvision, except for pixels that come from outside of the image."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from tuitrain.training.data.transforms import geometry

BILINEAR = InterpolationMode.BILINEAR
IMAGES = torch.rand(3, 2, 31, 41, generator=torch.Generator().manual_seed(0))


def assert_alike_inside(ours: Tensor, theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        # -1 marks the pixels that torchvision fills, and their neighbors.
        known = torch.nn.functional.max_pool2d((other < 0).float(), 3, 1, 1) == 0
        assert known.float().mean() > 0.4
        torch.testing.assert_close(one[known], other[known], atol=1e-4, rtol=0)
        assert one.min() >= 0
        assert one.max() <= 1


def affine(image: Tensor, translate: list[int], shear: list[float]) -> Tensor:
    warped: Tensor = tv.affine(image, 0.0, translate, 1.0, shear, interpolation=BILINEAR, fill=-1.0)
    return warped


def test_rotated() -> None:
    angles = [0.0, 20.0, -50.0]
    expected = [tv.rotate(image, angle, BILINEAR, fill=-1.0) for image, angle in zip(IMAGES, angles, strict=True)]
    assert_alike_inside(geometry.rotated(IMAGES, torch.tensor(angles)), expected)


def test_moved() -> None:
    expected = [affine(image, move, [0.0, 0.0]) for image, move in zip(IMAGES, ([0, 0], [7, 0], [-9, 3]), strict=True)]
    right, down = torch.tensor([0.0, 7 / 41, -9 / 41]), torch.tensor([0.0, 0.0, 3 / 31])
    assert_alike_inside(geometry.moved(IMAGES, right, down), expected)


def test_sheared() -> None:
    slopes = torch.tensor([0.0, 0.3, -0.2])
    degrees = slopes.atan().rad2deg().tolist()
    zero = torch.zeros(3)
    expected = [affine(image, [0, 0], [angle, 0.0]) for image, angle in zip(IMAGES, degrees, strict=True)]
    assert_alike_inside(geometry.sheared(IMAGES, slopes, zero), expected)
    expected = [affine(image, [0, 0], [0.0, angle]) for image, angle in zip(IMAGES, degrees, strict=True)]
    assert_alike_inside(geometry.sheared(IMAGES, zero, slopes), expected)


def test_rotate_gives_each_image_its_own_angle() -> None:
    torch.manual_seed(0)
    # The brightness grows to the right: the angle is that of its gradient.
    images = torch.linspace(0, 1, 21).expand(200, 1, 21, 21).contiguous()
    center = geometry.rotate(images, 30.0)[:, 0, 9:12, 9:12]
    x, y = center[:, 1, 2] - center[:, 1, 0], center[:, 2, 1] - center[:, 0, 1]
    angles = torch.atan2(y, x).rad2deg()
    assert -30.1 < angles.min() < -28
    assert 28 < angles.max() < 30.1
    assert len(set(angles.tolist())) > 190


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 5)])
def test_any_shape_works(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape)
    result = geometry.rotate(images, 180.0)
    assert result.shape == images.shape
    assert torch.isfinite(result).all()
