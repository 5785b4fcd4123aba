"""Random erasing (Zhong et al. 2017)."""

import math

import torch
from torch import Tensor

from tuitrain.training.data.transforms.draws import coins, per_image, rectangles, uniform

# The limits of torchvision and timm for the area of the rectangle and its width divided by its height.
_AREA = (0.02, 1 / 3)
_RATIO = (0.3, 1 / 0.3)


def erase(images: Tensor, probability: float) -> Tensor:
    """Paint a rectangle of each image, with `probability`, in the mean color of the image."""
    area = uniform(images, *_AREA)
    ratio = uniform(images, *map(math.log, _RATIO)).exp()
    chosen = per_image(coins(images, probability)) & rectangles(images, (area / ratio).sqrt(), (area * ratio).sqrt())
    return torch.where(chosen, images.mean((2, 3), keepdim=True), images)
