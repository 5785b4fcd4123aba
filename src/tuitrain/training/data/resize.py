"""Resize batches of images to the size that the network expects."""

import torch.nn.functional as F
from torch import Tensor


class Resize:
    """Resizes batches (N, C, H, W) of floats in [0, 1] to `size`, a height and a width. `interpolation` is a method of
    Pillow."""

    def __init__(self, size: tuple[int, int], interpolation: str = "bilinear") -> None:
        self._size = size
        # Torch has no Lanczos filter; the bicubic one is the closest.
        self._mode = {"nearest": "nearest-exact", "bilinear": "bilinear"}.get(interpolation, "bicubic")

    def changes(self, images: Tensor) -> bool:
        return tuple(images.shape[-2:]) != self._size

    def __call__(self, images: Tensor) -> Tensor:
        """Return resized copies of `images`, (..., C, H, W)."""
        flat = images.view(-1, *images.shape[-3:])
        # Only these filters are Pillow's; some releases of torch lack them on MPS.
        antialias = self._mode != "nearest-exact" and images.device.type != "mps"
        resized = F.interpolate(flat, self._size, mode=self._mode, antialias=antialias)
        # Bicubic interpolation exceeds the range of its pixels.
        return resized.clamp_(0, 1).view(*images.shape[:-2], *self._size)
