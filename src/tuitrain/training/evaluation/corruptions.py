"""Corrupt images as the benchmarks of Hendrycks and Dietterich do (2019, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations"), with the severities of their reference code."""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tuitrain.runs.robustness import CorruptionName
from tuitrain.training.data.decoding.attempts import decoding_threads

Strengths = tuple[float, float, float, float, float]
# The standard deviations after which a Gaussian filter is cut, as in scikit-image.
_TRUNCATE = 4.0


class Benchmark(NamedTuple):
    """The severities for images of about `side` pixels: the standard deviation of Gaussian noise, with pixels in
    [0, 1], and of a Gaussian blur in pixels; what is added to the value of HSV; and the quality of a JPEG file."""

    name: Literal["CIFAR-10-C", "Tiny ImageNet-C", "ImageNet-C"]
    side: int
    noise: Strengths
    blur: Strengths
    brightness: Strengths
    jpeg: tuple[int, int, int, int, int]


BENCHMARKS = (
    Benchmark("CIFAR-10-C", 32, (0.04, 0.06, 0.08, 0.09, 0.1), (0.4, 0.6, 0.7, 0.8, 1), (0.05, 0.1, 0.15, 0.2, 0.3),
              (80, 65, 58, 50, 40)),
    Benchmark("Tiny ImageNet-C", 64, (0.04, 0.08, 0.12, 0.15, 0.18), (0.5, 0.75, 1, 1.25, 1.5),
              (0.1, 0.2, 0.3, 0.4, 0.5), (65, 58, 50, 40, 25)),
    Benchmark("ImageNet-C", 224, (0.08, 0.12, 0.18, 0.26, 0.38), (1, 2, 3, 4, 6), (0.1, 0.2, 0.3, 0.4, 0.5),
              (25, 18, 15, 10, 7)),
)  # fmt: skip


def benchmark_for(height: int, width: int) -> Benchmark:
    """Return the benchmark whose images are closest in size, as a ratio, by the shorter side."""
    side = min(height, width)
    return min(BENCHMARKS, key=lambda each: max(side / each.side, each.side / side))


def corruptions(
    images: Tensor, rows: Sequence[int], benchmark: Benchmark
) -> Iterator[tuple[CorruptionName, int, Tensor]]:
    """Yield each corruption and strength, and with them corrupted `images` (N, C, H, W), as uint8 on their device.
    `images` are in [0, 1]; C is 1 or 3. The noise of an image depends on its row in the split alone, not on its
    batch."""
    with ThreadPoolExecutor(decoding_threads()) as pool:
        drawn = torch.stack([*pool.map(partial(_drawn, tuple(images.shape[1:])), rows)]).to(images.device)
        for strength, sigma in enumerate(benchmark.noise, 1):
            yield "noise", strength, to_bytes(images + sigma * drawn)
        for strength, sigma in enumerate(benchmark.blur, 1):
            yield "blur", strength, to_bytes(blurred(images, sigma))
        for strength, amount in enumerate(benchmark.brightness, 1):
            yield "brightness", strength, to_bytes(brightened(images, amount))
        pictures = to_bytes(images).cpu()
        for strength, quality in enumerate(benchmark.jpeg, 1):
            found = pool.map(partial(compressed, quality=quality), pictures)
            yield "jpeg", strength, torch.stack([*found]).to(images.device)


def _drawn(shape: tuple[int, ...], row: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(row).standard_normal(shape, dtype=np.float32))


def to_bytes(images: Tensor) -> Tensor:
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Filter each channel by a Gaussian; pixels beyond the border equal those on it."""
    # On a CPU, products of matrices take a third of the time of convolutions.
    down, across = (_filter(side, sigma).to(images.device) for side in images.shape[2:])
    return down @ images @ across.T


def _filter(side: int, sigma: float) -> Tensor:
    """Return the matrix (side, side) that filters a row of pixels."""
    radius = int(_TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets / sigma).square().double())
    pixels = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    matrix = torch.zeros((side, side), dtype=torch.float64)
    return matrix.scatter_add_(1, pixels, (weights / weights.sum()).expand(side, -1)).float()


def brightened(images: Tensor, amount: float) -> Tensor:
    """Add to the value of HSV, the largest channel, and keep hue and saturation; black becomes grey."""
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp(max=1)
    return torch.where(value > 0, images * (raised / value), raised)


def compressed(picture: Tensor, quality: int) -> Tensor:
    """Write a picture (C, H, W) uint8 to a JPEG file in memory and read it."""
    pixels, file = picture.permute(1, 2, 0).numpy(), io.BytesIO()
    Image.fromarray(pixels[..., 0] if len(picture) == 1 else pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return torch.from_numpy(np.array(image)).view(*pixels.shape).permute(2, 0, 1)
