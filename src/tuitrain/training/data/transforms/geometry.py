"""Rotate, shear and move each image of a batch. Reflections of the image fill the uncovered pixels."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.training.data.transforms.draws import coins, per_image, uniform


def vertical_flip(images: Tensor) -> Tensor:
    return torch.where(per_image(coins(images)), images.flip(2), images)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Rotate each image by an angle of up to `degrees` in both directions."""
    return rotated(images, uniform(images, -degrees, degrees))


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Rotate each image by its angle, (N,)."""
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    height, width = images.shape[2:]
    return _warped(images, (cos, -sin * height / width), (sin * width / height, cos))


def sheared(images: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Move each row to the right in proportion to its height above the center, and each column down in the same way;
    `right` and `down`, (N,), are the slopes."""
    height, width = images.shape[2:]
    one = torch.ones_like(right)
    return _warped(images, (one, right * height / width), (down * width / height, one))


def moved(images: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Move each image by fractions of its width and height, (N,)."""
    one, zero = torch.ones_like(right), torch.zeros_like(right)
    return _warped(images, (one, zero, -2 * right), (zero, one, -2 * down))


def _warped(images: Tensor, x: tuple[Tensor, ...], y: tuple[Tensor, ...]) -> Tensor:
    """Sample the images at the affine functions `x` and `y` of the pixels' coordinates in [-1, 1]. Each is given
    by its coefficients of the horizontal and the vertical coordinate and, unless it is 0, its constant; each (N,)."""
    rows = [torch.stack([*row, *[torch.zeros_like(row[0])] * (3 - len(row))], 1) for row in (x, y)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
