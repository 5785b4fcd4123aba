"""Random transforms of a batch of training images."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tuitrain.config.datasets import DATASETS

Change = Callable[[Tensor], Tensor]


def augmentation(names: Sequence[str], dataset: str) -> Change | None:
    """Return one function that applies all `names`, or None if there are none; `auto` selects those usual for
    `dataset`. It takes and gives (N, C, H, W) floats and draws from the global generator of their device."""
    auto = DATASETS[dataset].augment if dataset in DATASETS else ("flip", "crop")
    chosen = {name for given in names for name in (auto if given == "auto" else (given,))}
    changes = [change for name, change in _CHANGES.items() if name in chosen]
    if not changes:
        return None

    def change_all(images: Tensor) -> Tensor:
        for change in changes:
            images = change(images)
        return images

    return change_all


def shift(images: Tensor) -> Tensor:
    """Shift each image by up to a tenth of its side, at least one pixel."""
    height, width = images.shape[2:]
    return _moved(images, max(1, height // 10), max(1, width // 10))


def flip(images: Tensor) -> Tensor:
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(3), images)


def crop(images: Tensor) -> Tensor:
    """Pad each image by an eighth of its side and crop it to its size at a random position."""
    height, width = images.shape[2:]
    return _moved(images, max(1, height // 8), max(1, width // 8))


def _moved(images: Tensor, down: int, right: int) -> Tensor:
    """Pad by reflection: the value of black would depend on the normalization."""
    count, channels, height, width = images.shape
    pixels = _reflected(count, height, down, images.device)[:, :, None] * width
    pixels = pixels + _reflected(count, width, right, images.device)[:, None, :]
    index = pixels.view(count, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view(count, channels, height, width)


def _reflected(count: int, side: int, reach: int, device: torch.device) -> Tensor:
    """Return the source index of each row or column of each image, (count, side) int64."""
    reach = min(reach, side - 1)
    offsets = torch.randint(-reach, reach + 1, (count, 1), device=device)
    last = side - 1
    return last - (last - (torch.arange(side, device=device) + offsets).abs()).abs()


_CHANGES: dict[str, Change] = {"shift": shift, "flip": flip, "crop": crop}
