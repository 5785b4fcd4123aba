"""From bytes to the floats that go into a model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tuitrain.errors import DataError

# So many values are converted at a time, that memory peaks little above what is kept.
_CHUNK = 2**24


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
        total = torch.zeros(images.shape[1], dtype=torch.float64)
        squares = torch.zeros_like(total)
        for rows in chunks(images):
            # Sums of whole numbers below 2**53 are exact in float64, so nothing is lost in their difference.
            chunk = images[rows].double()
            total += chunk.sum((0, 2, 3))
            squares += chunk.square().sum((0, 2, 3))
        count = images.numel() / images.shape[1]
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        std[std == 0] = white
        return cls(tuple((mean / white).tolist()), tuple((std / white).tolist()), white)

    def on(self, device: torch.device) -> "Normalizer":
        return Normalizer(self, device)


class Normalizer:
    """A `Normalization` with its figures on a device."""

    def __init__(self, figures: Normalization, device: torch.device) -> None:
        self.device = device
        self._white = figures.white
        self._mean = torch.tensor(figures.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(figures.std, device=device).view(-1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """`images` (N, C, H, W) uint8, anywhere, as float32 on the device."""
        floats = images.to(self.device, non_blocking=True).float()
        return floats.div_(self._white).sub_(self._mean).div_(self._std)


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
