"""Estimate the memory that a run needs, and the memory that is free for it."""

import math

import torch

from tuitrain.analysis.memory import Need
from tuitrain.config.code import is_spec
from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.training.data.storage import keeps_in_memory
from tuitrain.training.estimate.fake import Shape
from tuitrain.training.estimate.step import estimate_step


def estimate_need(
    config: Config, shape: Shape, classes: int, images: int, device: torch.device, free: int | None
) -> Need:
    """Estimate the memory of a run of `config` on `images` images of `shape` (C, H, W) in all its splits, of which none
    is loaded yet. Raises what `estimate_step` raises."""
    step = estimate_step(config, shape, classes, device)
    return Need(
        step=step,
        batch_size=config.data.images_per_batch,
        images=_images_kept(config.data, shape, images, device, free) + 4 * step.features * images,
        device=str(device),
        free=free,
    )


def _images_kept(data: Data, shape: Shape, images: int, device: torch.device, free: int | None) -> int:
    """Return the bytes of all images if they stay in the memory of the device."""
    if is_spec(data.dataset):
        return 0  # The user's code returns each image when it is needed.
    if data.dataset in DATASETS:
        # Each batch is resized from images of the original size.
        return images * math.prod(DATASETS[data.dataset].shape)
    size = images * math.prod(shape)
    return size if keeps_in_memory(data, size, device, free) else 0
