"""Augment a batch of training images by random transforms."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.training.data.decoding.whole_photos import crops_photos
from tuitrain.training.data.transforms.color import color_jitter
from tuitrain.training.data.transforms.crops import random_resized_crop
from tuitrain.training.data.transforms.erase import erase
from tuitrain.training.data.transforms.geometry import rotate, vertical_flip
from tuitrain.training.data.transforms.policies import randaugment, trivialaugment

# Images with at least this many values are large.
_PHOTO = 2**14

Transform = Callable[[Tensor], Tensor]
# The number of values to transform at a time on the CPU.
_CHUNK = 2**20


def augmentations(data: Data, in_unit_range: Transform) -> list[Transform]:
    """Return the transforms of pixels that `data.augment` selects, in a fixed order; `auto` selects those usual for the
    data set.

    Each takes and returns images (N, C, H, W), and draws from the global generator of their device. The first ones move
    pixels of any type. The others need floats in [0, 1], which `in_unit_range` returns.
    """
    known = DATASETS.get(data.dataset) or PHOTO_DATASETS.get(data.dataset)
    auto = known.augment if known else ("flip", "crop")
    chosen = {name for given in data.augment for name in (auto if given == "auto" else (given,))}
    movements = [transform for name, transform in _MOVEMENTS.items() if name in chosen]
    others = [transform for name, transform in _float_transforms(data).items() if name in chosen]
    return [*movements, _in_chunks([in_unit_range, *others])] if others else movements


def _in_chunks(transforms: Sequence[Transform]) -> Transform:
    """Return the composition of `transforms`. On the CPU, it transforms as many images at a time as fit into the
    cache."""

    def compose(images: Tensor) -> Tensor:
        for transform in transforms:
            images = transform(images)
        return images

    def transform(images: Tensor) -> Tensor:
        size = max(1, _CHUNK // max(1, images[0].numel()))
        if images.device.type != "cpu" or len(images) <= size:
            return compose(images)
        return torch.cat([compose(chunk) for chunk in torch.split(images, size)])

    return transform


def _float_transforms(data: Data) -> dict[str, Transform]:
    # The split has already cropped whole photos.
    crops = {} if crops_photos(data) else {"random-resized-crop": partial(_crop_square, scale=data.crop_scale)}
    return crops | {
        "rotate": partial(rotate, degrees=data.rotate_degrees),
        "trivialaugment": trivialaugment,
        "randaugment": partial(randaugment, magnitude=data.randaugment_magnitude),
        "color": partial(color_jitter, strength=data.color_strength),
        "erase": partial(erase, probability=data.erase_probability),
    }


def _crop_square(images: Tensor, scale: float) -> Tensor:
    """Take a random resized crop of images that are not squashed."""
    height, width = images.shape[2:]
    aspect = torch.full((len(images),), width / height, device=images.device)
    return random_resized_crop(images, aspect, (height, width), scale)


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
    """Return whether a loop over the images is faster than an operation on the whole batch: on the CPU if the images
    are large, because it then copies whole rows of pixels."""
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


# The order of the first three is that of runs by older versions, which continue bit-identically.
_MOVEMENTS: dict[str, Transform] = {"shift": shift, "flip": flip, "crop": crop, "vertical-flip": vertical_flip}
