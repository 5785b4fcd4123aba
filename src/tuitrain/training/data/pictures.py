"""Turn images into small pictures for the screen."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Smaller images are enlarged.
SMALLEST = 16


def pictures(images: Tensor, side: int) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] as pictures (n, h, w, c) uint8 of at most `side` pixels; c is 1 or 3."""
    if images.shape[1] != 3:
        images = images.mean(1, keepdim=True)
    return (resized(images, side).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def resized(images: Tensor, side: int) -> Tensor:
    """Return images (n, C, H, W) of at most `side` and, unless one side is much longer, at least SMALLEST pixels."""
    height, width = images.shape[2:]
    longest = max(height, width)
    if longest > side:
        size = (max(1, round(height * side / longest)), max(1, round(width * side / longest)))
        return F.interpolate(images, size, mode="area")
    if longest < SMALLEST:
        return F.interpolate(images, scale_factor=-(-SMALLEST // longest), mode="nearest")
    return images
