"""The estimated memory of training, compared with the measured peak.

    uv run python benchmarks/memory_estimate.py [--quick] [--write]

The peak of one optimizer step (n = 1: allocations do not vary) on random images of 64 pixels, without the images of the
splits, on the device that a run would choose. On the CPU torch's profiler records the allocations, on a GPU torch's
allocator does.
"""

from collections.abc import Sequence

import torch

from claims import Claim, at_most, report
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.text import size
from tuitrain.training.device import release_memory
from tuitrain.training.estimate.measure import measure_peak
from tuitrain.training.estimate.random_images import random_images
from tuitrain.training.estimate.step import estimate_step
from tuitrain.training.setup import prepare

# Percent between the estimate and the measured peak.
BAR = 15.0
SHAPE, CLASSES, BATCH = (3, 64, 64), 10, 64
MOMENTUM = ("optimizer.name=sgd", "optimizer.momentum=0.9")
CASES: tuple[tuple[str, ...], ...] = (
    ("model.name=mlp", "model.hidden=[2048, 1024]"),
    ("model.name=cnn", "model.batch_norm=true", *MOMENTUM),
    ("model.name=resnet18",),
    ("model.name=resnet50", "training.precision=bf16", *MOMENTUM),
    ("model.name=mobilenet_v3_small", "training.ema=0.99"),
    ("model.name=efficientnet_b0", "training.precision=bf16"),
    ("model.name=vgg11_bn", "optimizer.name=sgd", "optimizer.accumulate=2"),
    ("model.name=densenet121", "optimizer.name=adamw"),
    ("model.name=timm/convnext_atto", "optimizer.name=adamw"),
    ("model.name=timm/convnext_atto", "optimizer.name=adamw", "training.precision=bf16"),
    ("model.name=timm/vit_tiny_patch16_224", "optimizer.name=muon"),
    ("model.name=resnet18", "finetune.freeze=backbone", "data.augment=[flip]"),
    ("model.name=resnet18", "training.checkpointing=true"),
)


def measure(settings: Sequence[str]) -> Claim:
    common = ("training.threads=1", "data.validation=0", f"data.batch_size={BATCH}")
    config = override(Config(), (*common, *settings))
    setup = prepare(config, lambda *_: None, random_images(SHAPE, CLASSES, 4 * BATCH))
    try:
        estimated, measured = estimate_step(config, SHAPE, CLASSES, setup.device).training, measure_peak(setup)
    finally:
        torch.set_flush_denormal(False)
        del setup
        release_memory()
    words = ", ".join(text.partition(".")[2] for text in settings)
    claim = f"{words}: {size(estimated)} estimated, {size(measured)} measured"
    return at_most(claim, BAR, 100 * abs(estimated / measured - 1), "%")


def claims(quick: bool) -> list[Claim]:
    return [measure(settings) for settings in (CASES[:3] if quick else CASES)]


if __name__ == "__main__":
    report(__file__, claims)
