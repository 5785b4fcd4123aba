"""Corruptions, against plain scripts for single pictures."""

import colorsys
import io
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from tuitrain.training.evaluation.corruptions import BENCHMARKS, Benchmark, benchmark_for, corruptions

Picture = NDArray[np.float64]


def pictures(channels: int, count: int = 3, side: int = 9) -> NDArray[np.uint8]:
    """Return pictures (N, H, W, C) that are dark at the left and bright at the right, with a black corner."""
    random = np.random.default_rng(channels)
    light = np.linspace(0, 255, side)[None, None, :, None] + random.normal(0, 60, (count, side + 2, side, channels))
    found = light.clip(0, 255).astype(np.uint8)
    found[:, 0, 0] = 0
    return found


def expected(picture: Picture, row: int, name: str, severity: float) -> Picture:
    """Corrupt a picture (H, W, C) in [0, 1] as the reference code of the paper does, without scikit-image."""
    if name == "noise":
        drawn = np.random.default_rng(row).standard_normal(picture.transpose(2, 0, 1).shape, dtype=np.float32)
        return picture + severity * drawn.transpose(1, 2, 0)
    if name == "blur":
        planes = [gaussian_filter(plane, severity, mode="nearest") for plane in picture.transpose(2, 0, 1)]
        return np.stack(planes, axis=2)
    if name == "brightness":
        return np.array([[brighter(pixel, severity) for pixel in line] for line in picture])
    pixels, file = (picture * 255).round().astype(np.uint8), io.BytesIO()
    image = Image.fromarray(pixels[..., 0], "L") if pixels.shape[2] == 1 else Image.fromarray(pixels, "RGB")
    image.save(file, "JPEG", quality=int(severity))
    return np.array(Image.open(file)).reshape(pixels.shape) / 255


def brighter(pixel: Picture, amount: float) -> Picture:
    if len(pixel) == 1:
        return pixel + amount
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, min(value + amount, 1)))


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=[benchmark.name for benchmark in BENCHMARKS])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_corruption_equals_a_script_for_one_picture(channels: int, benchmark: Benchmark) -> None:
    given = pictures(channels)
    images = torch.from_numpy(given).permute(0, 3, 1, 2).float() / 255
    rows = [4, 0, 7]
    seen = []
    for name, strength, found in corruptions(images, rows, benchmark):
        seen.append((name, strength))
        severity = getattr(benchmark, name)[strength - 1]
        wanted = np.stack([expected(one / 255, row, name, severity) for one, row in zip(given, rows, strict=True)])
        assert (found.dtype, found.shape) == (torch.uint8, images.shape)
        difference = found.permute(0, 2, 3, 1).numpy() - wanted.clip(0, 1) * 255
        assert np.abs(difference).max() <= 0.501  # rounded to bytes
    assert seen == list(product(("noise", "blur", "brightness", "jpeg"), range(1, 6)))


def test_the_noise_of_a_picture_does_not_depend_on_its_batch() -> None:
    images = torch.from_numpy(pictures(3, 5)).permute(0, 3, 1, 2).float() / 255
    together = list(corruptions(images, range(5), BENCHMARKS[0]))
    alone = list(corruptions(images[3:4], [3], BENCHMARKS[0]))
    for (_, _, all_of_them), (_, _, one) in zip(together, alone, strict=True):
        assert (all_of_them[3:4].int() - one.int()).abs().max() <= 1
    same = torch.full((2, 1, 8, 8), 0.5)
    _, _, noisy = next(corruptions(same, [0, 1], BENCHMARKS[0]))
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((8, 8), "CIFAR-10-C"), ((32, 32), "CIFAR-10-C"), ((45, 200), "CIFAR-10-C"), ((46, 46), "Tiny ImageNet-C"),
        ((64, 64), "Tiny ImageNet-C"), ((119, 119), "Tiny ImageNet-C"), ((300, 120), "ImageNet-C"),
        ((224, 224), "ImageNet-C"), ((1000, 1000), "ImageNet-C"),
    ],
)  # fmt: skip
def test_the_size_chooses_the_severities(size: tuple[int, int], name: str) -> None:
    assert benchmark_for(*size).name == name
