"""Convert batches of images from bytes to normalized floats."""

import math
import zlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from statistics import fmean
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tuitrain.errors import DataError
from tuitrain.runs.records import RunInfo, WeightsInfo
from tuitrain.training.data.resize import Resize

# The number of values processed at a time: intermediate results stay in the CPU cache.
_CHUNK = 2**18


class Pixels(NamedTuple):
    """Images as bytes, with their labels: `images` is (N, C, H, W) uint8 and `labels` (N,) int64, both on the CPU."""

    images: Tensor
    labels: Tensor

    def at(self, rows: Tensor) -> "Pixels":
        return Pixels(self.images[rows], self.labels[rows])

    def checksum(self) -> bytes:
        """Return a digest of all images and labels, in their order."""
        # A CRC of the images takes a fifth of the time of a hash.
        pixels = zlib.crc32(self.images.contiguous().numpy().data).to_bytes(4, "big")
        return blake2b(self.labels.numpy().data, digest_size=8, salt=pixels).digest()


def fingerprint(checksum: bytes, rows: Tensor | None = None) -> str:
    """Return a short text that identifies the images with this `checksum`, or those of them at `rows` (n,) int64."""
    return blake2b(b"" if rows is None else rows.numpy().data, digest_size=8, key=checksum).hexdigest()


@dataclass(frozen=True)
class Normalization:
    """The mean and standard deviation of each channel: a pixel becomes (value / white - mean) / std. `white` is the
    largest value of a pixel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: int = 255

    @classmethod
    def none(cls, channels: int, white: int = 255) -> Self:
        return cls((0.0,) * channels, (1.0,) * channels, white)

    @property
    def changes_pixels(self) -> bool:
        """Whether it does more than scale pixels to [0, 1]."""
        return any(self.mean) or any(value != 1 for value in self.std)

    def in_unit_range(self, images: Tensor) -> Tensor:
        """Return uint8 images as float32 in [0, 1], and floats as float32."""
        floats = images.float()
        return floats if images.is_floating_point() else floats.div_(self.white)

    @classmethod
    def known(cls, before: RunInfo | None, weights: WeightsInfo | None, channels: int, white: int = 255) -> Self | None:
        """Return the normalization of the run `before`, else that of the images that `weights` were trained on, for
        `channels` channels; None if both are unknown."""
        if before:
            return cls(tuple(before.mean), tuple(before.std), white)
        if not weights or not weights.mean:
            return None
        if len(weights.mean) == channels:
            return cls(weights.mean, weights.std, white)
        # The first convolution adds up its input channels if their number differs.
        return cls((fmean(weights.mean),) * channels, (fmean(weights.std),) * channels, white)

    @classmethod
    def of(cls, images: Tensor, white: int = 255) -> Self:
        """Return the normalization that gives `images` (N, C, H, W) uint8 mean 0 and standard deviation 1, or 0 for a
        constant channel."""
        return cls.from_sums(pixel_sums(images), images[0, 0].numel(), white)

    @classmethod
    def from_sums(cls, sums: Tensor, pixels: int, white: int = 255) -> Self:
        """Return the same as `of`, from the `pixel_sums` (N, 2, C) of images with `pixels` pixels each."""
        mean, std = mean_and_deviation(sums, pixels)
        # A nearly constant channel must not turn one stray pixel into a huge input.
        std = torch.where(std == 0, float(white), std.clamp(min=1))
        return cls(tuple((mean / white).tolist()), tuple((std / white).tolist()), white)


class Normalizer:
    """Resizes and normalizes batches on a device. `mean` and `std` are (C, 1, 1), or None if pixels stay in [0, 1]."""

    mean: Tensor | None = None
    std: Tensor | None = None
    _negative: Tensor | None = None

    def __init__(self, normalization: Normalization, device: torch.device, resize: Resize | None = None) -> None:
        self._normalization, self._resize = normalization, resize
        self._white = torch.tensor(float(normalization.white), device=device)
        if normalization.changes_pixels:
            self.mean = torch.tensor(normalization.mean, device=device).view(-1, 1, 1)
            self.std = torch.tensor(normalization.std, device=device).view(-1, 1, 1)

    @staticmethod
    def stacked(normalizers: Sequence["Normalizer"]) -> "Normalizer":
        """Return a normalizer of R batches (R, N, C, H, W), for which `normalizers` apply to one each. All or none of
        them change pixels, and white is the same."""
        stack = copy(normalizers[0])
        stack._negative = None
        if stack.mean is not None:
            for name in ("mean", "std"):
                setattr(stack, name, torch.stack([getattr(one, name) for one in normalizers]).unsqueeze(1))
        return stack

    def in_unit_range(self, images: Tensor) -> Tensor:
        """Return `images` (N, C, H, W) as float32 in [0, 1], in the size that the network expects."""
        floats = self._normalization.in_unit_range(images)
        return self._resize(floats) if self._resize and self._resize.changes(images) else floats

    def __call__(self, images: Tensor) -> Tensor:
        """Return `images` (N, C, H, W), which are uint8 or floats in [0, 1], as normalized float32."""
        if self._resize and self._resize.changes(images):
            images = self._resize(self._normalization.in_unit_range(images))
        if images.device.type != "cpu" or images.ndim != 4 or images.numel() <= _CHUNK:
            return self._normalize(images.to(torch.float32, copy=True), images)
        # A CPU normalizes portions that fit into its cache three times as fast as the whole batch.
        floats = torch.empty(images.shape)
        for rows in chunks(images):
            self._normalize(floats[rows].copy_(images[rows]), images)
        return floats

    def _normalize(self, floats: Tensor, images: Tensor) -> Tensor:
        """Normalize `floats`, a copy of some of `images`, in place: each further tensor of this size would cost as much
        as the arithmetic."""
        if self.mean is not None and floats.device.type == "cpu" and not images.is_floating_point():
            # Scale and center in one pass, to the same bits: `div_`, `sub_` and `div_` would take 1.2 times as long.
            torch.addcdiv(self._minus_mean(self.mean, floats), floats, self._white, out=floats)
        else:
            if not images.is_floating_point():
                floats.div_(self._normalization.white)
            if self.mean is not None:
                floats.sub_(self.mean)
        return floats if self.std is None else floats.div_(self.std)

    def _minus_mean(self, mean: Tensor, images: Tensor) -> Tensor:
        """Return -mean in the shape (C, H, W) of `images`: addcdiv is slow with a value that it repeats along a row."""
        if self._negative is None or self._negative.shape[-2:] != images.shape[-2:]:
            self._negative = mean.neg().expand(*mean.shape[:-2], *images.shape[-2:]).contiguous()
        return self._negative


def allocate(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return an uninitialized tensor for images, (N, ...). Raises DataError if the device has too little memory."""
    try:
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    except (RuntimeError, MemoryError) as error:
        gigabytes = math.prod(shape) * dtype.itemsize / 2**30
        raise DataError(
            f"{shape[0]:,} images take {gigabytes:.1f} GiB, more than is free on {device}.",
            "Choose another training.device or, for an image folder, set data.storage = stream.",
        ) from error


def chunks(images: Tensor) -> Iterator[slice]:
    """Yield slices of `images` (N, C, H, W) small enough for the CPU cache."""
    size = max(1, _CHUNK // max(1, images[0].numel()))
    return (slice(start, start + size) for start in range(0, len(images), size))


def pixel_sums(images: Tensor) -> Tensor:
    """Return the sums of pixels and of squared pixels of each image, (N, 2, C) float64, for (N, C, H, W) uint8."""
    found = torch.empty((len(images), 2, images.shape[1]), dtype=torch.float64)
    # Sums of integers below 2**24 are exact in float32, which is twice as fast as float64, and those below 2**53 in
    # float64. The difference of sums is therefore exact, too.
    exact = torch.float32 if images.shape[3] <= 2**24 // 255**2 and not images.is_floating_point() else torch.float64
    for rows in chunks(images):
        chunk = images[rows].to(exact)
        found[rows, 0] = chunk.sum(3).double().sum(2)
        found[rows, 1] = chunk.square().sum(3).double().sum(2)
    return found


def mean_and_deviation(sums: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel, (C,) float64, from the `pixel_sums` (N, 2, C) of
    images with `pixels` pixels each."""
    count = len(sums) * pixels
    total, squares = sums.sum(0)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0).sqrt()
