"""Evaluate a model on a split, and select the wrong predictions to show."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from math import isfinite, prod
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor, nn

from tuitrain.runs.predictions import keep_most_probable
from tuitrain.runs.records import Sample
from tuitrain.training.data.augment import Transform
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.feature_split import FeatureSplit
from tuitrain.training.data.splits import Split

# Images per batch. On the CPU the activations of a batch must stay in the cache: 1000 images take 1.5 times as long.
BATCH, CPU_BATCH = 1000, 250
# Pixel values per batch: 1000 large images would take more memory than training does.
MAX_BATCH_VALUES = 2**22
# Wrong predictions kept: the worst of all, and the worst of each of the most frequent confusions (true, predicted). The
# number does not grow with the classes.
WORST_OVERALL = 48
CONFUSIONS, WORST_PER_CONFUSION = 32, 4
# Largest height and width of the pictures kept.
PICTURE_SIDE = 32


class Result(Struct, frozen=True):
    """The predictions for N images of K classes.

    `confusion` is (K, K) int64 on the CPU, indexed [true, predicted]. `losses` (N,) float32, `predicted` (N,) int64 and
    `probability` (N,) float32, that of the predicted class, are on the device. `rounded` (N, K) are all probabilities
    as float16, see `Predictions`.
    """

    loss: float
    accuracy: float
    confusion: Tensor
    losses: Tensor
    predicted: Tensor
    probability: Tensor
    rounded: NDArray[np.float16]


class Part(NamedTuple):
    """The predictions for some images of a split. The fields are those of `Result`; `labels` are (n,) int64."""

    losses: Tensor
    predicted: Tensor
    probability: Tensor
    labels: Tensor
    rounded: NDArray[np.float16]


def evaluate(
    model: nn.Module,
    split: Split,
    normalize: Transform,
    shape: Sequence[int],
    classes: int,
    autocast: Callable[[], AbstractContextManager[object]],
    heartbeat: Callable[[], None] = lambda: None,
) -> Result:
    """Evaluate `model` in eval mode on images of `shape` (C, H, W), then restore its mode. Calls `heartbeat` after
    every batch, which may raise to abort."""
    rows = torch.arange(len(split))
    return combine([evaluate_rows(model, split, rows, normalize, shape, classes, autocast, heartbeat)], classes)


@torch.inference_mode()
def evaluate_rows(
    model: nn.Module,
    split: Split,
    rows: Tensor,
    normalize: Transform,
    shape: Sequence[int],
    classes: int,
    autocast: Callable[[], AbstractContextManager[object]],
    heartbeat: Callable[[], None],
) -> Part:
    """Evaluate `model` on the images at `rows` (n,) as `evaluate` does; n is at least 1."""
    was_training = model.training
    model.eval()
    batches: list[tuple[Tensor, ...]] = []
    # On the CPU: a GPU may lack the memory for many classes.
    rounded = np.empty((len(rows), classes), dtype=np.float16)
    done = 0
    for images, labels in split.batches(rows, batch_size(split, shape)):
        logits = compute_logits(model, images, normalize, autocast)
        losses = F.cross_entropy(logits, labels, reduction="none")
        probabilities = logits.softmax(1)
        probability, predicted = probabilities.max(1)
        rounded[done : (done := done + len(labels))] = probabilities.half().cpu().numpy()
        # NaN logits have no probability, and JSON has no NaN.
        batches.append((losses, predicted, probability.nan_to_num(0.0), labels))
        heartbeat()
    model.train(was_training)
    losses, predicted, probability, labels = map(torch.cat, zip(*batches, strict=True))
    keep_most_probable(rounded, predicted.cpu().numpy())
    return Part(losses, predicted, probability, labels, rounded)


def combine(parts: Sequence[Part], classes: int) -> Result:
    """Return the result for the images of all `parts`, in their order."""
    losses, predicted, probability, labels = (torch.cat(tensors) for tensors in list(zip(*parts, strict=True))[:4])
    confusion = torch.bincount(labels * classes + predicted, minlength=classes * classes).view(classes, classes).cpu()
    return Result(
        # In float64, which some devices lack.
        loss=losses.cpu().double().mean().item(),
        accuracy=confusion.diagonal().sum().item() / max(1, len(labels)),
        confusion=confusion,
        losses=losses,
        predicted=predicted,
        probability=probability,
        rounded=parts[0].rounded if len(parts) == 1 else np.concatenate([part.rounded for part in parts]),
    )


def compute_logits(
    model: nn.Module, images: Tensor, normalize: Transform, autocast: Callable[[], AbstractContextManager[object]]
) -> Tensor:
    """Return the logits (B, K) float32 of images (B, C, H, W) as a split yields them."""
    with autocast():
        logits: Tensor = model(normalize(images))
    return logits.float()


def image_names(split: Split, dataset: Dataset) -> list[str]:
    """Return the paths of the images relative to the folder of the data set, or their indices without files."""
    if not split.files:
        return [str(index) for index in range(len(split))]
    folder = os.path.join(dataset.folder, "")  # noqa: PTH118
    return [path[len(folder) :] if path.startswith(folder) else os.path.relpath(path, folder) for path in split.files]


def batch_size(split: Split, shape: Sequence[int]) -> int:
    """Return the number of images of `shape` (C, H, W) in a batch that is evaluated."""
    return batch_size_on(split.labels.device, shape)


def batch_size_on(device: torch.device, shape: Sequence[int]) -> int:
    largest = CPU_BATCH if device.type == "cpu" else BATCH
    return max(1, min(largest, MAX_BATCH_VALUES // prod(shape)))


@torch.inference_mode()
def worst_samples(result: Result, split: Split, dataset: Dataset) -> list[Sample]:
    """Return the wrong predictions with the highest losses, overall and per confusion, with small pictures and the
    paths of their files relative to the folder of the data set."""
    chosen = _worst_indices(result, split.labels)
    split = split.source if isinstance(split, FeatureSplit) else split
    pictures = [picture for images, _ in split.batches(chosen, WORST_OVERALL) for picture in _pictures(images, dataset)]
    return [
        Sample(
            index=int(index),
            true=int(split.labels[index]),
            predicted=int(result.predicted[index]),
            probability=round(float(result.probability[index]), 4),
            loss=round(loss, 4) if isfinite(loss := float(result.losses[index])) else None,
            height=picture.shape[0],
            width=picture.shape[1],
            channels=picture.shape[2],
            pixels=picture.numpy().tobytes(),
            file=os.path.relpath(split.files[index], dataset.folder) if split.files else "",
        )
        for index, picture in zip(chosen.tolist(), pictures, strict=True)
    ]


def _worst_indices(result: Result, labels: Tensor) -> Tensor:
    """Return the indices of the images to keep, `(M,) int64` on the CPU, by falling loss."""
    predicted, true = result.predicted.cpu(), labels.cpu()
    wrong = torch.nonzero(predicted != true).flatten()
    wrong = wrong[result.losses.cpu()[wrong].argsort(descending=True, stable=True)]
    confusions = true[wrong] * len(result.confusion) + predicted[wrong]
    kept = torch.zeros(len(wrong), dtype=torch.bool)
    kept[:WORST_OVERALL] = True
    for confusion, _ in Counter(confusions.tolist()).most_common(CONFUSIONS):
        kept[torch.nonzero(confusions == confusion).flatten()[:WORST_PER_CONFUSION]] = True
    return wrong[kept]


def _pictures(images: Tensor, dataset: Dataset) -> Tensor:
    """Turn the images (N, C, H, W) of a batch into pictures (N, h, w, c) uint8 on the CPU; c is 1 or 3."""
    images = dataset.normalization.in_unit_range(images.cpu())
    if max(images.shape[2:]) > PICTURE_SIDE:
        images = F.interpolate(images, size=(PICTURE_SIDE, PICTURE_SIDE), mode="area")
    if images.shape[1] != 3:
        images = images.mean(1, keepdim=True)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
