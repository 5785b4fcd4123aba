"""Evaluate a network on corrupted images."""

from collections import Counter
from typing import get_args

import torch
from torch import Tensor

from tuitrain.errors import DataError
from tuitrain.runs.records import CheckpointName, SplitName
from tuitrain.runs.robustness import STRENGTHS, CorruptionName, Robustness
from tuitrain.text import plain
from tuitrain.training.data.dataset import Dataset, Progress, Ticker
from tuitrain.training.evaluation.corruptions import Strengths, benchmark_for, corruptions
from tuitrain.training.evaluation.evaluate import batch_size, compute_logits
from tuitrain.training.progress import TrainingProgress
from tuitrain.training.setup import Setup


@torch.inference_mode()
def evaluate_corrupted(
    setup: Setup, split: SplitName, position: TrainingProgress, which: CheckpointName, progress: Progress
) -> Robustness:
    """Evaluate the model, whose weights are those of the checkpoint `which`, on each corruption of a split. The
    corruptions apply to images of the network's input size, before the normalization. Raise DataError if the images
    have other values or channels than pictures."""
    dataset = setup.dataset
    data = dataset.test if split == "test" else dataset.validation
    assert data is not None
    benchmark = benchmark_for(*dataset.shape[1:])
    setup.model.eval()
    clean, correct = 0, Counter[tuple[CorruptionName, int]]()
    ticker = Ticker(progress, len(data), lambda done: f"corrupting: {done:,} of {len(data):,} images", "images")
    order, size = torch.arange(len(data)), batch_size(data, dataset.shape)
    for rows, (images, labels) in zip(torch.split(order, size), data.batches(order, size), strict=True):
        _check_pictures(images, dataset)
        clean += _correct(setup, images, labels)
        pictures = setup.normalize.in_unit_range(images)
        for name, strength, corrupted in corruptions(pictures, rows.tolist(), benchmark):
            correct[name, strength] += _correct(setup, corrupted.float().div_(255), labels)
        ticker.update(len(labels))
    best = position.best if which == "best" else None
    return Robustness(
        split=split,
        checkpoint=which,
        epoch=best.epoch if best else position.epochs_begun,
        step=best.step if best else position.step,
        images=len(data),
        fingerprint=data.fingerprint,
        benchmark=benchmark.name,
        clean=clean / len(data),
        corrupted=_accuracies(correct, len(data)),
    )


def _accuracies(correct: Counter[tuple[CorruptionName, int]], images: int) -> dict[CorruptionName, Strengths]:
    """Return the accuracies of each corruption by ascending strength."""
    return {
        name: tuple(correct[name, strength] / images for strength in range(1, STRENGTHS + 1))  # type: ignore[misc]
        for name in get_args(CorruptionName)
    }


def _correct(setup: Setup, images: Tensor, labels: Tensor) -> int:
    """Return how many images are classified correctly, as an evaluation counts them."""
    predicted = compute_logits(setup.model, images, setup.normalize, setup.autocast).softmax(1).argmax(1)
    return int((predicted == labels).sum())


def _check_pictures(images: Tensor, dataset: Dataset) -> None:
    name = plain(dataset.name, 200)
    if images.shape[1] not in (1, 3):
        raise DataError(f"The images of {name} have {images.shape[1]} channels, and pictures to corrupt have 1 or 3.")
    low, high = images.amin().item(), images.amax().item()
    if images.is_floating_point() and (low < 0 or high > 1):
        raise DataError(
            f"The images of {name} have values from {low:.3g} to {high:.3g}, and pictures to corrupt have 0 to 1.",
            "Return uint8 images, or floats from 0 to 1: data.normalize normalizes them.",
        )
