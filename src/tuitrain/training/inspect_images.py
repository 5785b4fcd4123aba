"""Compute what a network and its images say about the labels of a split, in one pass over the images."""

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tuitrain.training.data.dataset import Progress, Ticker
from tuitrain.training.data.splits import Split, StreamedSplit
from tuitrain.training.embed import embed_and_classify
from tuitrain.training.evaluation.evaluate import batch_size
from tuitrain.training.setup import Setup


class Inspected(NamedTuple):
    """The features (N, D) float32, probabilities (N, K) float32, thumbnails (N, side * side) uint8 in grey, digests of
    the pixels and labels (N,) int64 of the images of a split."""

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    thumbnails: NDArray[np.uint8]
    digests: list[bytes]
    labels: NDArray[np.int64]


@torch.inference_mode()
def inspect_split(setup: Setup, split: Split, side: int, name: str, progress: Progress) -> Inspected:
    """Inspect the images of a split in its order. `progress` is called after every batch and may raise to abort. Raises
    RunError if the network has no classifier."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    pixels: list[bytes] = []
    total = len(split)
    ticker = Ticker(progress, total, lambda done: f"comparing {name} images: {done:,} of {total:,}", "images")
    for images, _ in split.batches(torch.arange(total), batch_size(split, setup.dataset.shape)):
        features, logits = embed_and_classify(setup, images)
        images = images.cpu().contiguous()
        parts.append((features.float().cpu(), logits.softmax(1).cpu(), _thumbnails(setup, images, side)))
        pixels += [blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in images]
        ticker.update(len(images))
    features, probabilities, thumbnails = map(torch.cat, zip(*parts, strict=True))
    if isinstance(split, StreamedSplit):
        # The split replaces unreadable images by others, of which they are no copies.
        for row in split.unreadable:
            features[row], pixels[row] = 0, f"unreadable {row}".encode()
    return Inspected(features.numpy(), probabilities.numpy(), thumbnails.numpy(), pixels, split.labels.cpu().numpy())


def _thumbnails(setup: Setup, images: Tensor, side: int) -> Tensor:
    grey = setup.dataset.normalization.in_unit_range(images).float().mean(1, keepdim=True)
    small = F.interpolate(grey, (side, side), mode="area")
    return (small.clamp(0, 1) * 255).round().to(torch.uint8).flatten(1)
