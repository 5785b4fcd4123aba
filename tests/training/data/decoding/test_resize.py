"""torch and Pillow resize images alike."""

import numpy as np
import pytest
import torch
from PIL import Image

from tuitrain.training.data.decoding.resize import Interpolation, from_pillow, resize, to_pillow


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("size", "target"), [((101, 77), (64, 40)), ((31, 29), (50, 70)), ((1, 40), (8, 8))])
def test_pixels_differ_from_those_of_pillow_by_one_grey_level(
    mode: str, size: tuple[int, int], target: tuple[int, int], interpolation: Interpolation
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode)
    expected = from_pillow(image.resize(target, Image.Resampling[interpolation.upper()]))
    found = resize(from_pillow(image), target[1], target[0], interpolation)
    assert found.shape == expected.shape == (len(mode), target[1], target[0])
    assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pillow_and_back(mode: str) -> None:
    pixels = torch.randint(0, 256, (len(mode), 5, 7), dtype=torch.uint8)
    assert to_pillow(pixels).mode == mode
    assert torch.equal(from_pillow(to_pillow(pixels)), pixels)
