"""Draw random parameters for each image of a batch, and transform the images that they select."""

from collections.abc import Callable

import torch
from torch import Tensor


def uniform(images: Tensor, low: float, high: float) -> Tensor:
    """Return a random number between `low` and `high` for each image, (N,) float32."""
    return torch.rand(len(images), device=images.device) * (high - low) + low


def coins(images: Tensor, probability: float = 0.5) -> Tensor:
    """Return True with `probability` for each image, (N,) bool."""
    return torch.rand(len(images), device=images.device) < probability


def per_image(values: Tensor) -> Tensor:
    """Return values (N,) as (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def change(images: Tensor, chosen: Tensor, function: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """Replace the images for which `chosen` (N,) is True by those that `function` returns for them and their
    `parameters`, each (N,). On the CPU, do so in place."""
    if images.device.type != "cpu":
        # To select images, the host would wait for the device.
        return torch.where(per_image(chosen), function(images, *parameters), images)
    rows = chosen.nonzero().flatten()
    if len(rows):
        images.index_copy_(0, rows, function(images[rows], *(values[rows] for values in parameters)))
    return images


def rectangles(images: Tensor, heights: Tensor, widths: Tensor) -> Tensor:
    """Return a mask (N, 1, H, W) bool of a rectangle at a random position in each image. `heights` and `widths`, (N,),
    are fractions of the sides."""
    inside = []
    for side, fraction in zip(images.shape[2:], (heights, widths), strict=True):
        length = (fraction * side).round().clamp(max=side)
        start = (uniform(images, 0, 1) * (side - length + 1)).floor().clamp(max=side - 1).unsqueeze(1)
        pixels = torch.arange(side, device=images.device)
        inside.append((pixels >= start) & (pixels < start + length.unsqueeze(1)))
    rows, columns = inside
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
