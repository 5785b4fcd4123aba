"""One pass over a split without gradients."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from math import isfinite, prod

import torch
import torch.nn.functional as F
from msgspec import Struct
from torch import Tensor, nn

from tuitrain.runs.records import Sample
from tuitrain.training.data import Dataset, Split

# On the CPU what a batch becomes on its way through the network has to stay in the cache: 1000 take half as long again.
BATCH, CPU_BATCH = 1000, 250
# So many numbers of a batch at most: of large images a thousand would take more memory than training does.
NUMBERS = 2**22
# The images kept: of all wrong answers, and of each of the most frequent pairs of classes confused. Their number does
# not grow with the classes.
WORST = 48
PAIRS, EACH = 32, 4
SIDE = 32


class Result(Struct, frozen=True):
    """`confusion` is (K, K) int64 on the CPU, [true, predicted]; `losses` (N,) float32 and `predicted`,
    `probability` (N,) are on the device."""

    loss: float
    accuracy: float
    confusion: Tensor
    losses: Tensor
    predicted: Tensor
    probability: Tensor


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Split,
    shape: Sequence[int],
    classes: int,
    autocast: Callable[[], AbstractContextManager[object]],
    beat: Callable[[], None] = lambda: None,
) -> Result:
    """The model in eval mode, left as it was found, on images of `shape` (C, H, W); `beat` is called after every
    batch."""
    was_training = model.training
    model.eval()
    losses, predictions, probabilities, labels = [], [], [], []
    most = CPU_BATCH if split.labels.device.type == "cpu" else BATCH
    size = max(1, min(most, NUMBERS // prod(shape)))
    for images, target in split.batches(torch.arange(len(split)), size):
        with autocast():
            logits = model(images)
        logits = logits.float()
        losses.append(F.cross_entropy(logits, target, reduction="none"))
        probability, predicted = logits.softmax(1).max(1)
        predictions.append(predicted)
        # JSON has no NaN: what an overflown network says has no probability at all.
        probabilities.append(probability.nan_to_num(0.0))
        labels.append(target)
        beat()
    model.train(was_training)
    loss, predicted, true = torch.cat(losses), torch.cat(predictions), torch.cat(labels)
    confusion = torch.bincount(true * classes + predicted, minlength=classes * classes).view(classes, classes).cpu()
    return Result(
        # There are devices without float64.
        loss=loss.cpu().double().mean().item(),
        accuracy=confusion.diagonal().sum().item() / max(1, len(true)),
        confusion=confusion,
        losses=loss,
        predicted=predicted,
        probability=torch.cat(probabilities),
    )


@torch.inference_mode()
def worst_samples(result: Result, split: Split, dataset: Dataset) -> list[Sample]:
    """The wrongly classified images with the highest losses, of all and of each frequent pair, as small pictures."""
    chosen = _worst(result, split.labels)
    pictures = [picture for images, _ in split.batches(chosen, WORST) for picture in _pixels(images, dataset)]
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
        )
        for index, picture in zip(chosen.tolist(), pictures, strict=True)
    ]


def _worst(result: Result, labels: Tensor) -> Tensor:
    """(M,) int64 on the CPU: the rows to keep, the highest loss first."""
    predicted, true = result.predicted.cpu(), labels.cpu()
    wrong = torch.nonzero(predicted != true).flatten()
    wrong = wrong[result.losses.cpu()[wrong].argsort(descending=True, stable=True)]
    pairs = true[wrong] * len(result.confusion) + predicted[wrong]
    kept = torch.zeros(len(wrong), dtype=torch.bool)
    kept[:WORST] = True
    for pair, _ in Counter(pairs.tolist()).most_common(PAIRS):
        kept[torch.nonzero(pairs == pair).flatten()[:EACH]] = True
    return wrong[kept]


def _pixels(images: Tensor, dataset: Dataset) -> Tensor:
    """(N, C, H, W) float32 as it goes into the model -> (N, h, w, c) uint8 on the CPU, c 1 or 3, sides <= SIDE."""
    std, mean = (torch.tensor(values).view(1, -1, 1, 1) for values in (dataset.std, dataset.mean))
    images = images.cpu() * std + mean
    if max(images.shape[2:]) > SIDE:
        images = F.interpolate(images, size=(SIDE, SIDE), mode="area")
    if images.shape[1] != 3:
        images = images.mean(1, keepdim=True)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
