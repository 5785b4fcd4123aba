"""Compare the logits of an exported network with those of the run."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tuitrain.config.exports import Values
from tuitrain.errors import RunError
from tuitrain.text import counted, plain
from tuitrain.training.data.normalize import Normalizer
from tuitrain.training.export.sample import Sample
from tuitrain.training.export.trained import Trained

# The largest difference of logits, relative to the largest logit or to 1. Other kernels round differently: networks of
# timm and torchvision differ by 1e-6 to 1e-4.
TOLERANCE = 1e-3
# The first batch has one image, so that the check covers more than one batch size.
_FIRST, _BATCH = 1, 32


class Agreement(NamedTuple):
    """How the logits of `images` images of a `kind`, test or random, differ; `same` counts those with equal top
    classes."""

    images: int
    kind: str
    same: int
    difference: float
    reason: str

    def __str__(self) -> str:
        images = counted(self.images, f"{self.kind} image")
        ties = self.images - self.same
        same = "same class for all" if not ties else f"same class for all but {ties:,}, whose two best classes tie"
        sentence = f"checked on {images}: {same}, largest difference of logits {self.difference:.1g}"
        reason = plain(self.reason, 300).rstrip(".")
        return f"{sentence} (the test images cannot be read: {reason})" if reason else sentence


def compare(trained: Trained, sample: Sample, run: Callable[[Tensor], Tensor], values: Values) -> Agreement:
    """Compare the logits of the run's network with those of `run`, whose input has these values. Raises RunError if
    they differ by more than rounding."""
    normalize = Normalizer(trained.normalization, torch.device("cpu")) if trained.normalization else None
    same, largest, scale = 0, 0.0, 1.0
    for pixels in torch.split(sample.images, [_FIRST, len(sample.images) - _FIRST])[: 1 + (len(sample.images) > 1)]:
        for batch in torch.split(pixels, _BATCH):
            normalized = normalize(batch) if normalize else batch.float()
            expected = _logits(trained.network, normalized.clone())
            found = _logits(run, _inputs(batch, normalized, values, trained))
            if found.shape != expected.shape:
                shapes = f"{tuple(found.shape)}, not {tuple(expected.shape)}"
                raise RunError(f"The exported network returns logits {shapes}.", "Export it as safetensors.")
            same += int((found.argmax(1) == expected.argmax(1)).sum())
            largest = max(largest, _difference(found, expected))
            scale = max(scale, float(expected.nan_to_num(0, 0, 0).abs().max()))
    if largest > TOLERANCE * scale:
        raise RunError(
            f"The exported network differs from that of the run: by up to {largest:.2g} in the logits of"
            f" {len(sample.images):,} {sample.kind} images, and in the class of {len(sample.images) - same:,}.",
            "Nothing was written. Export it as safetensors, which contains the weights alone.",
        )
    return Agreement(len(sample.images), sample.kind, same, largest, sample.reason)


def _logits(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Run a network, with the same random numbers each time."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return run(images).float()


def _inputs(pixels: Tensor, normalized: Tensor, values: Values, trained: Trained) -> Tensor:
    if values == "normalized":
        return normalized
    if values == "uint8":
        return pixels
    return pixels if pixels.is_floating_point() else pixels.float() / (trained.white or 1)


def _difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, 0 where both are NaN or the same infinity."""
    equal = (found == expected) | (found.isnan() & expected.isnan())
    return float(torch.where(equal, 0.0, (found - expected).abs()).nan_to_num(torch.inf).max())
