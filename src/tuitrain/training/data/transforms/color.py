"""Change the colors and the sharpness of each image of a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.training.data.transforms.draws import per_image, uniform


def color_jitter(images: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast and saturation of each image by factors between 1 - `strength` and 1 + `strength`."""
    for original in (black, mean_gray, gray):
        factors = uniform(images, 1 - strength, 1 + strength)
        images = blended(images, original(images), factors)
    return images


def blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """Return `others` for the factor 0, `images` for 1, and more than the images for larger `factors`, (N,)."""
    return (others + per_image(factors) * (images - others)).clamp(0, 1)


def black(images: Tensor) -> Tensor:
    return torch.zeros_like(images)


def gray(images: Tensor) -> Tensor:
    """Return the luma of each pixel, (N, 1, H, W). An image without three channels stays as it is."""
    if images.shape[1] != 3:
        return images
    return 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]


def mean_gray(images: Tensor) -> Tensor:
    """Return the mean luma of each image, (N, 1, 1, 1)."""
    return gray(images).mean((1, 2, 3), keepdim=True)


def smoothed(images: Tensor) -> Tensor:
    """Return a weighted mean of the 3x3 pixels around each pixel; the border stays as it is."""
    channels, height, width = images.shape[1:]
    if min(height, width) < 3:
        return images
    kernel = torch.ones(channels, 1, 3, 3, device=images.device) / 13
    kernel[:, :, 1, 1] = 5 / 13
    inner = F.conv2d(images, kernel, groups=channels)
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = inner
    return result


def posterized(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the upper `bits`, (N,), of the 8 bits of each value."""
    step = per_image(2 ** (8 - bits))
    return (images.mul(255).round() / step).floor() * step / 255


def solarized(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values from `threshold`, (N,), on."""
    return torch.where(images >= per_image(threshold), 1 - images, images)


def autocontrasted(images: Tensor) -> Tensor:
    """Stretch the values of each channel to [0, 1], unless they are all equal."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1 / 255), images).clamp(0, 1)


def equalized(images: Tensor) -> Tensor:
    """Spread the values of each channel so that all levels of gray become equally frequent, as Pillow does."""
    levels = images.mul(255).round().long().flatten(2)  # (N, C, H * W)
    counts = levels.new_zeros(*levels.shape[:2], 256).scatter_add_(2, levels, torch.ones_like(levels))
    of_largest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - of_largest) // 255  # (N, C, 1)
    new = ((counts.cumsum(2) - counts + step // 2) // step.clamp(min=1)).clamp(max=255)
    equal = new.gather(2, levels).view(images.shape).float() / 255
    return torch.where(step.unsqueeze(3) > 0, equal, images)
