"""From bytes to the floats that go into a model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tuitrain.errors import DataError

# So many values are converted at a time: what is between stays in the processor's cache.
_CHUNK = 2**18


class Pixels(NamedTuple):
    """`images` (N, C, H, W) uint8 and `labels` (N,) int64, on the CPU."""

    images: Tensor
    labels: Tensor

    def at(self, rows: Tensor) -> "Pixels":
        return Pixels(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Normalization:
    """(value / white - mean) / std, per channel; `white` is the largest value a pixel can have."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: int = 255

    @classmethod
    def none(cls, channels: int, white: int = 255) -> Self:
        return cls((0.0,) * channels, (1.0,) * channels, white)

    @classmethod
    def of(cls, images: Tensor, white: int = 255) -> Self:
        """The normalisation that gives `images` (N, C, H, W) uint8 mean 0 and deviation 1; constant channels mean 0."""
        return cls.from_sums(sums(images), images[0, 0].numel(), white)

    @classmethod
    def from_sums(cls, sums: Tensor, pixels: int, white: int = 255) -> Self:
        """As `of`, for images of so many `pixels` whose `sums` (N, 2, C) are known."""
        count = len(sums) * pixels
        total, squares = sums.sum(0)
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        std[std == 0] = white
        return cls(tuple((mean / white).tolist()), tuple((std / white).tolist()), white)

    def on(self, device: torch.device) -> "Normalizer":
        return Normalizer(self, device)


class Normalizer:
    """A `Normalization` with its figures on a device: `mean` and `std` are (C, 1, 1)."""

    def __init__(self, figures: Normalization, device: torch.device) -> None:
        self.device = device
        self._white = figures.white
        self.mean = torch.tensor(figures.mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(figures.std, device=device).view(-1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """`images` (N, C, H, W) uint8, anywhere, as float32 on the device."""
        floats = images.to(self.device, non_blocking=True).float()
        return floats.div_(self._white).sub_(self.mean).div_(self.std)


def allocate(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Raises DataError where the device has not the memory."""
    try:
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    except (RuntimeError, MemoryError) as error:
        gigabytes = math.prod(shape) * dtype.itemsize / 2**30
        raise DataError(
            f"{shape[0]:,} images take {gigabytes:.1f} GiB, more than is free on {device}.",
            "Choose another training.device; an image-folder can be read as it goes with data.storage = stream.",
        ) from error


def chunks(images: Tensor) -> Iterator[slice]:
    """Slices of `images` (N, C, H, W) that are small enough to be converted at once."""
    size = max(1, _CHUNK // max(1, images[0].numel()))
    return (slice(start, start + size) for start in range(0, len(images), size))


def sums(images: Tensor) -> Tensor:
    """Of each of `images` (N, C, H, W) uint8 the sums of its pixels and of their squares, (N, 2, C) float64."""
    found = torch.empty((len(images), 2, images.shape[1]), dtype=torch.float64)
    for rows in chunks(images):
        # Sums of whole numbers below 2**53 are exact in float64, so nothing is lost in their difference.
        chunk = images[rows].double()
        found[rows, 0] = chunk.sum((2, 3))
        found[rows, 1] = chunk.square().sum((2, 3))
    return found
