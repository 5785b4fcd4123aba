"""Augment a batch of training images by random transforms."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tuitrain.config.datasets import DATASETS
from tuitrain.config.photo_datasets import PHOTO_DATASETS

Transform = Callable[[Tensor], Tensor]


def augmentations(names: Sequence[str], dataset: str) -> list[Transform]:
    """Return the transforms that `names` select, in a fixed order; `auto` selects those usual for `dataset`. Each moves
    pixels (N, C, H, W), uint8 or floats, and draws from the global generator of their device."""
    known = DATASETS.get(dataset) or PHOTO_DATASETS.get(dataset)
    auto = known.augment if known else ("flip", "crop")
    chosen = {name for given in names for name in (auto if given == "auto" else (given,))}
    return [transform for name, transform in _TRANSFORMS.items() if name in chosen]


def shift(images: Tensor) -> Tensor:
    """Shift each image by up to a tenth of its sides, at least one pixel."""
    return _moved(images, 10)


def flip(images: Tensor) -> Tensor:
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(3), images)


def crop(images: Tensor) -> Tensor:
    """Pad each image by an eighth of its sides, at least one pixel, and crop it to its size at a random position."""
    return _moved(images, 8)


def _moved(images: Tensor, part: int) -> Tensor:
    """Move each image by up to one `part`-th of its sides. The pixels that this uncovers are reflections: the value of
    black would depend on the normalization."""
    count, channels, height, width = images.shape
    pixels = _reflected(count, height, part, images.device)[:, :, None] * width
    pixels = pixels + _reflected(count, width, part, images.device)[:, None, :]
    index = pixels.view(count, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view(count, channels, height, width)


def _reflected(count: int, side: int, part: int, device: torch.device) -> Tensor:
    """Return the source index of each row or column of each image, (count, side) int64."""
    reach = min(max(1, side // part), side - 1)
    offsets = torch.randint(-reach, reach + 1, (count, 1), device=device)
    last = side - 1
    return last - (last - (torch.arange(side, device=device) + offsets).abs()).abs()


_TRANSFORMS: dict[str, Transform] = {"shift": shift, "flip": flip, "crop": crop}
