"""Augment a batch of training images by random transforms."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.config.datasets import DATASETS

# The least number of values of an image that counts as a photo.
_PHOTO = 2**14

Transform = Callable[[Tensor], Tensor]


def augmentations(names: Sequence[str], dataset: str) -> list[Transform]:
    """Return the transforms that `names` select, in a fixed order; `auto` selects those usual for `dataset`. Each moves
    pixels (N, C, H, W), uint8 or floats, and draws from the global generator of their device."""
    auto = DATASETS[dataset].augment if dataset in DATASETS else ("flip", "crop")
    chosen = {name for given in names for name in (auto if given == "auto" else (given,))}
    return [transform for name, transform in _TRANSFORMS.items() if name in chosen]


def shift(images: Tensor) -> Tensor:
    """Shift each image by up to a tenth of its sides, at least one pixel."""
    return _moved(images, 10)


def flip(images: Tensor) -> Tensor:
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    if _are_photos(images):
        flipped = torch.empty_like(images)
        for target, image, turn in zip(flipped, images, chosen.flatten().tolist(), strict=True):
            target.copy_(image.flip(2) if turn else image)
        return flipped
    return torch.where(chosen, images.flip(3), images)


def crop(images: Tensor) -> Tensor:
    """Pad each image by an eighth of its sides, at least one pixel, and crop it to its size at a random position."""
    return _moved(images, 8)


def _moved(images: Tensor, part: int) -> Tensor:
    """Move each image by up to one `part`-th of its sides. The pixels that this uncovers are reflections: the value of
    black would depend on the normalization."""
    count, channels, height, width = images.shape
    down, right = (_offsets(count, side, part, images.device) for side in (height, width))
    if _are_photos(images):
        return _windows(images, part, down.flatten().tolist(), right.flatten().tolist())
    pixels = _reflected(down, height)[:, :, None] * width
    pixels = pixels + _reflected(right, width)[:, None, :]
    index = pixels.view(count, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view(count, channels, height, width)


def _are_photos(images: Tensor) -> bool:
    """Return whether a loop over the images is faster than an operation on the whole batch: if they are large, and on
    the CPU, which copies whole rows of pixels then."""
    return images.device.type == "cpu" and images[0].numel() >= _PHOTO


def _windows(images: Tensor, part: int, down: list[int], right: list[int]) -> Tensor:
    """Return the window of each image that lies this far down and to the right, with reflected borders."""
    (height, width), moved = images.shape[2:], torch.empty_like(images)
    below, beside = _reach(height, part), _reach(width, part)
    padded = F.pad(images, (beside, beside, below, below), mode="reflect")
    for target, image, y, x in zip(moved, padded, down, right, strict=True):
        target.copy_(image[:, below + y : below + y + height, beside + x : beside + x + width])
    return moved


def _reach(side: int, part: int) -> int:
    return min(max(1, side // part), side - 1)


def _offsets(count: int, side: int, part: int, device: torch.device) -> Tensor:
    reach = _reach(side, part)
    return torch.randint(-reach, reach + 1, (count, 1), device=device)


def _reflected(offsets: Tensor, side: int) -> Tensor:
    """Return the source index of each row or column of each image, (count, side) int64."""
    last = side - 1
    return last - (last - (torch.arange(side, device=offsets.device) + offsets).abs()).abs()


_TRANSFORMS: dict[str, Transform] = {"shift": shift, "flip": flip, "crop": crop}
