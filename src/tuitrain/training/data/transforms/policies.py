"""RandAugment (Cubuk et al. 2019) and TrivialAugment (Müller & Hutter 2021), with the operations of torchvision."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tuitrain.training.data.transforms import color, geometry
from tuitrain.training.data.transforms.draws import change, coins, uniform

# The largest magnitude, and the number of operations on each image.
MAX_MAGNITUDE = 30
_OPERATIONS = 2


class Limits(NamedTuple):
    """The effects of the largest magnitude: slope, fraction of the sides, degrees, difference of the factor from 1, and
    removed bits."""

    shear: float
    move: float
    rotate: float
    blend: float
    posterize: int


# torchvision moves images by up to 150 of 331 pixels, and in TrivialAugment by up to 32, usually of 224.
RANDAUGMENT = Limits(0.3, 150 / 331, 30.0, 0.9, 4)
TRIVIALAUGMENT = Limits(0.99, 32 / 224, 135.0, 0.99, 6)

# (images, signed strength (N,) in [-1, 1]) -> images
_Operation = Callable[[Tensor, Tensor], Tensor]


def randaugment(images: Tensor, magnitude: int) -> Tensor:
    """Apply two random operations of the same `magnitude`, 0 to 30, to each image."""
    strength = torch.full((len(images),), magnitude / MAX_MAGNITUDE, device=images.device)
    for _ in range(_OPERATIONS):
        images = _random_operation(images, strength, RANDAUGMENT)
    return images


def trivialaugment(images: Tensor) -> Tensor:
    """Apply one random operation of random magnitude to each image."""
    return _random_operation(
        images, (uniform(images, 0, 1) * (MAX_MAGNITUDE + 1)).floor() / MAX_MAGNITUDE, TRIVIALAUGMENT
    )


def _random_operation(images: Tensor, strength: Tensor, limits: Limits) -> Tensor:
    operations = operations_of(limits)
    # The additional one is the identity.
    chosen = torch.randint(len(operations) + 1, (len(images),), device=images.device)
    signed = torch.where(coins(images), strength, -strength)
    images = images.clone()
    for number, operation in enumerate(operations):
        images = change(images, chosen == number, operation, signed)
    return images


def operations_of(limits: Limits) -> list[_Operation]:
    """Return the operations except the identity."""

    def blending(original: Callable[[Tensor], Tensor]) -> _Operation:
        return lambda images, signed: color.blended(images, original(images), 1 + limits.blend * signed)

    return [
        lambda images, signed: geometry.sheared(images, limits.shear * signed, torch.zeros_like(signed)),
        lambda images, signed: geometry.sheared(images, torch.zeros_like(signed), limits.shear * signed),
        lambda images, signed: geometry.moved(images, limits.move * signed, torch.zeros_like(signed)),
        lambda images, signed: geometry.moved(images, torch.zeros_like(signed), limits.move * signed),
        lambda images, signed: geometry.rotated(images, limits.rotate * signed),
        blending(color.black),
        blending(color.gray),
        blending(color.mean_gray),
        blending(color.smoothed),
        lambda images, signed: color.posterized(images, 8 - (limits.posterize * signed.abs()).round()),
        lambda images, signed: color.solarized(images, 1 - signed.abs()),
        lambda images, _: color.autocontrasted(images),
        lambda images, _: color.equalized(images),
    ]
