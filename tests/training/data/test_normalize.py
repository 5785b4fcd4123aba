from itertools import pairwise

import pytest
import torch

from tuitrain.config.data.schema import Augmentation, Data
from tuitrain.training.data.augment import augmentations
from tuitrain.training.data.normalize import Normalization, Normalizer, pixel_sums

CPU = torch.device("cpu")
GREY, COLOR = Normalization((0.1307,), (0.3081,)), Normalization((0.48, 0.45, 0.4), (0.27, 0.26, 0.28))


def pixels(channels: int, largest: int = 255) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, largest + 1, (40, channels, 9, 12), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("names", [("shift", "flip"), ("flip", "crop"), ("shift", "flip", "crop")])
@pytest.mark.parametrize("normalization", [GREY, COLOR, Normalization((0.3,), (0.4,), 16), Normalization.none(1, 16)])
def test_moving_pixels_before_or_after_the_normalization_is_the_same(
    normalization: Normalization, names: tuple[Augmentation, ...]
) -> None:
    """Runs of older versions normalized all images when they loaded them, and must resume exactly."""
    images = pixels(len(normalization.mean), normalization.white)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (normalization.mean, normalization.std))
    expected = images.float().div_(normalization.white).sub_(mean).div_(std)
    torch.manual_seed(5)
    transforms = augmentations(Data(augment=names), normalization.in_unit_range)
    for transform in transforms:
        expected = transform(expected)
    torch.manual_seed(5)
    for transform in transforms:
        images = transform(images)
    assert torch.equal(Normalizer(normalization, CPU)(images), expected)


def test_floats_are_not_divided_by_white_and_stay_as_they_are() -> None:
    images = pixels(3) / 255
    before = images.clone()
    normalize = Normalizer(COLOR, CPU)
    assert torch.equal(normalize(images), normalize(pixels(3)))
    assert torch.equal(images, before)
    assert normalize(images.double()).dtype == torch.float32


def test_images_of_several_sizes_have_the_same_normalization() -> None:
    normalize = Normalizer(COLOR, CPU)
    for images in (pixels(3), pixels(3)[:, :, :4], pixels(3)[..., 3:]):
        assert torch.equal(normalize(images), Normalizer(COLOR, CPU)(images))


def test_each_run_of_a_stack_has_its_own_normalization() -> None:
    normalizers = [Normalizer(Normalization((mean,), (0.3,)), CPU) for mean in (0.1, 0.2, 0.3)]
    stacked = Normalizer.stacked(normalizers)(pixels(1).view(1, 40, 1, 9, 12).expand(3, -1, -1, -1, -1))
    for batch, normalize in zip(stacked, normalizers, strict=True):
        assert torch.equal(batch, normalize(pixels(1)))
    assert not any(torch.equal(one, other) for one, other in pairwise(stacked))
    # The normalizers of the runs stay as they were.
    assert torch.equal(normalizers[0](pixels(1)), Normalizer(Normalization((0.1,), (0.3,)), CPU)(pixels(1)))
    plain = [Normalizer(Normalization.none(1), CPU)] * 2
    assert torch.equal(Normalizer.stacked(plain)(pixels(1)), pixels(1) / 255)


@pytest.mark.parametrize("normalization", [COLOR, Normalization.none(3)])
@pytest.mark.parametrize("scale", [1, 255])
def test_portions_are_normalized_like_the_whole(
    monkeypatch: pytest.MonkeyPatch, normalization: Normalization, scale: int
) -> None:
    images = pixels(3) if scale == 1 else pixels(3) / scale
    whole = Normalizer(normalization, CPU)(images)
    monkeypatch.setattr("tuitrain.training.data.normalize._CHUNK", 7 * images[0].numel())
    assert torch.equal(Normalizer(normalization, CPU)(images), whole)


@pytest.mark.parametrize("width", [7, 258, 259, 1000])
@pytest.mark.parametrize("low", [0, 253])
def test_sums_of_pixels_are_exact(width: int, low: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(low, 256, (3, 2, 5, width), dtype=torch.uint8, generator=generator)
    values = images.long()
    assert torch.equal(pixel_sums(images), torch.stack([values.sum((2, 3)), values.square().sum((2, 3))], 1).double())
