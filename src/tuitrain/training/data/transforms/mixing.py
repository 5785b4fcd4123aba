"""Mixup (Zhang et al. 2017) and CutMix (Yun et al. 2019), which mix the images and labels of a batch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tuitrain.config.data.schema import Data
from tuitrain.training.data.transforms.draws import per_image, rectangles

# Takes images (N, C, H, W) and labels (N,) int64; returns mixed images and the probabilities of the classes, (N, K)
# float32.
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# With both, the probability of cutmix for a batch, timm's `switch_prob`.
_CUTMIX = 0.5


def mixing(data: Data, classes: int) -> Mix | None:
    """Return the function that mixes a batch as `data.augment` says, or None. With mixup and cutmix, each batch takes
    one of them at random."""
    mixes, cuts = ("mixup" in data.augment), ("cutmix" in data.augment)
    if not (mixes or cuts):
        return None

    def mix(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        # The share of each image in the mixed one, (N, 1, H, W) or (N, 1, 1, 1).
        share = blend_shares(images, data.mixup_alpha) if mixes else cut_shares(images, data.cutmix_alpha)
        if mixes and cuts:
            cut = torch.rand((), device=images.device) < _CUTMIX
            share = torch.where(cut, cut_shares(images, data.cutmix_alpha), share)
        targets = torch.zeros(len(labels), classes, device=labels.device).scatter_(1, labels.unsqueeze(1), 1.0)
        mixed = torch.lerp(images.roll(1, 0), images, share.to(images.dtype))
        return mixed, torch.lerp(targets.roll(1, 0), targets, share.mean((1, 2, 3)).unsqueeze(1))

    return mix


def blend_shares(images: Tensor, alpha: float) -> Tensor:
    return per_image(_beta(images, alpha))


def cut_shares(images: Tensor, alpha: float) -> Tensor:
    """Return 0 in a random rectangle of each image, and 1 elsewhere."""
    side = (1 - _beta(images, alpha)).sqrt()
    return (~rectangles(images, side, side)).float()


def _beta(images: Tensor, alpha: float) -> Tensor:
    """Return a number from the Beta distribution with both parameters `alpha` for each image, (N,), by the formula of
    Devroye (1996), which needs no loop: a CUDA graph could not contain one."""
    u, v = torch.rand(2, len(images), device=images.device)
    cos = (2 * math.pi * v).cos()
    odds = torch.expm1(-u.log() / alpha) * cos.square()
    distance = 0.5 / (1 + 1 / odds).sqrt()
    return 0.5 + torch.copysign(distance, cos)


def hard_labels(labels: Tensor) -> Tensor:
    """Return class indices (N,): for mixed labels (N, K), the class with the larger share."""
    return labels.argmax(-1) if labels.is_floating_point() else labels
