"""Random resized crops (Szegedy et al. 2014), with the limits and the retries of torchvision."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def random_resized_crop(images: Tensor, aspect: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """Crop a random part of each image and resize it to `size` (height, width).

    The images (N, C, H, W) show whole photos that were squashed to a square; `aspect`, (N,) float32, is the width of
    each photo divided by its height. A crop contains at least the fraction `scale` of the photo, and is 3:4 to 4:3.
    """
    left, top, width, height = random_boxes(aspect, scale)
    zero = torch.zeros_like(aspect)
    theta = torch.stack(
        [
            torch.stack([width / aspect, zero, (2 * left + width) / aspect - 1], 1),
            torch.stack([zero, height, 2 * top + height - 1], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [len(images), images.shape[1], *size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def random_boxes(aspect: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return left, top, width and height of a random box in each photo of width `aspect` and height 1, each (N,). It is
    the first of ten random sizes that fits, or otherwise the largest box in the middle that is 3:4 to 4:3."""
    count, photo = len(aspect), aspect.unsqueeze(1)
    area = photo * (torch.rand(count, _ATTEMPTS, device=aspect.device) * (1 - scale) + scale)
    low, high = map(math.log, _RATIO)
    ratio = (torch.rand(count, _ATTEMPTS, device=aspect.device) * (high - low) + low).exp()
    widths, heights = (area * ratio).sqrt(), (area / ratio).sqrt()
    attempts = torch.arange(_ATTEMPTS, device=aspect.device)
    first = torch.where((widths <= photo) & (heights <= 1), attempts, _ATTEMPTS).amin(1, keepdim=True)
    # One more column is the box in the middle.
    width = torch.cat([widths, photo.clamp(max=_RATIO[1])], 1).gather(1, first).squeeze(1)
    height = torch.cat([heights, (photo / _RATIO[0]).clamp(max=1)], 1).gather(1, first).squeeze(1)
    places = torch.rand(2, count, device=aspect.device)
    x, y = torch.where(first.squeeze(1) < _ATTEMPTS, places, 0.5)
    return x * (aspect - width), y * (1 - height), width, height
