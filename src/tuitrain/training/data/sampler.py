"""Balance the classes of a training split: by the images that an epoch draws, or by weights of the loss."""

import torch
from torch import Tensor


def balanced_order(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` row indices, (count,) int64 on the CPU, drawn with replacement: each class of `labels` (N,)
    equally often, or once more if the classes do not divide `count`."""
    labels = labels.cpu()
    by_class, sizes = labels.argsort(stable=True), labels.bincount()
    starts = sizes.cumsum(0) - sizes
    present = sizes.nonzero().flatten()
    # Shuffled, so that the additional images go to other classes in each epoch.
    present = present[torch.randperm(len(present), generator=generator)]
    classes = present[torch.arange(count) % len(present)]
    # float64, because float32 would never draw some images of a large class.
    draws = torch.rand(count, generator=generator, dtype=torch.float64) * sizes[classes]
    rows = by_class[starts[classes] + draws.long().clamp(max=sizes[classes] - 1)]
    return rows[torch.randperm(count, generator=generator)]


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Return scikit-learn's `class_weight="balanced"`, (K,) float32 on the CPU: N / (K * images of the class), where K
    counts the classes with images. The weight of a class without images is 0."""
    sizes = labels.cpu().bincount(minlength=classes).double()
    present = sizes > 0
    return torch.where(present, len(labels) / (present.sum() * sizes), 0.0).float()
