"""Each operation is that of torchvision, which takes one parameter for a whole batch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from tuitrain.training.data.transforms import color

BYTES = torch.randint(0, 200, (3, 3, 17, 23), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = BYTES.float() / 255
GRAY = IMAGES[:, :1]


def assert_like(ours: Tensor, theirs: list[Tensor], levels: float = 0.01) -> None:
    """Compare with the results for each image, up to `levels` of 255 grey levels."""
    for one, other in zip(ours, theirs, strict=True):
        expected = other.float() / (255 if other.dtype == torch.uint8 else 1)
        torch.testing.assert_close(one, expected, atol=levels / 255, rtol=0)


@pytest.mark.parametrize("images", [IMAGES, GRAY])
@pytest.mark.parametrize(
    ("original", "adjust"),
    [
        (color.black, tv.adjust_brightness),
        (color.mean_gray, tv.adjust_contrast),
        (color.gray, tv.adjust_saturation),
        (color.smoothed, tv.adjust_sharpness),
    ],
)
def test_blended(images: Tensor, original: Callable[[Tensor], Tensor], adjust: Callable[..., Tensor]) -> None:
    factors = [0.0, 0.7, 1.9]
    expected = [adjust(image, factor) for image, factor in zip(images, factors, strict=True)]
    # torchvision rounds smoothed values to whole grey levels.
    assert_like(color.blended(images, original(images), torch.tensor(factors)), expected, levels=1.0)


def test_posterized() -> None:
    bits = [8, 4, 2]
    expected = [tv.posterize(image, count) for image, count in zip(BYTES, bits, strict=True)]
    assert_like(color.posterized(IMAGES, torch.tensor(bits).float()), expected)


def test_solarized() -> None:
    thresholds = [0.0, 0.41, 1.0]
    expected = [tv.solarize(image, threshold) for image, threshold in zip(IMAGES, thresholds, strict=True)]
    assert_like(color.solarized(IMAGES, torch.tensor(thresholds)), expected)


def test_autocontrasted_and_equalized() -> None:
    images = torch.cat([IMAGES, torch.full((1, 3, 17, 23), 0.2), IMAGES[:1] / 9])
    in_bytes = images.mul(255).round().to(torch.uint8)
    assert_like(color.autocontrasted(images), [tv.autocontrast(image) for image in images])
    assert_like(color.equalized(images), [tv.equalize(image) for image in in_bytes], levels=0.6)


def test_jitter_gives_each_image_its_own_factors() -> None:
    torch.manual_seed(0)
    images = torch.full((200, 3, 4, 4), 0.5)
    means = color.color_jitter(images, 0.4).mean((1, 2, 3))
    assert 0.3 <= means.min() < 0.32
    assert 0.68 < means.max() <= 0.7
    assert len(set(means.tolist())) == 200


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 2, 5), (2, 4, 8, 8)])
def test_any_shape_works(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape)
    assert color.color_jitter(images, 1.0).shape == images.shape
    assert torch.equal(color.blended(images, color.smoothed(images), torch.ones(len(images))), images)
