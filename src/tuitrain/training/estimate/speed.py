"""Measure how long training takes, by a few real steps."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from msgspec import Struct

from tuitrain.training.cuda_graphs.step import GraphStep, capture_obstacle
from tuitrain.training.data.feature_split import FeatureSplit
from tuitrain.training.data.splits import Split
from tuitrain.training.estimate.measure import TrainingSteps
from tuitrain.training.estimate.step import use_features
from tuitrain.training.evaluation.evaluate import batch_size, compute_logits
from tuitrain.training.fine_tuning.features import computes_features_once
from tuitrain.training.fine_tuning.freeze import set_training_mode
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.setup import Setup

# Steps of one batch to measure, steps before them that load libraries and choose kernels, and seconds after which fewer
# are enough.
STEPS, WARMUP, SECONDS = 10, 2, 5.0


class Speed(Struct, frozen=True):
    """Seconds of an optimizer step, and of classifying an image. `steps` of one batch were measured, in a CUDA graph if
    `graph`. With `features`, a step trains the classifier on features that are computed once."""

    step: float
    image: float
    steps: int
    graph: bool = False
    features: bool = False

    def epoch(self, steps: int, validation: int) -> float:
        """Return the seconds of an epoch of `steps` steps and an evaluation of `validation` images."""
        return steps * self.step + (0.0 if self.features else validation * self.image)

    def run(self, epochs: int, steps: int, validation: int, images: int, test: int) -> float:
        """Return the seconds of a run on `images` images in all splits, of which `test` are evaluated at the end."""
        once = images if self.features else test
        return epochs * self.epoch(steps, validation) + once * self.image


def measure_speed(setup: Setup) -> Speed:
    """Measure the steps of a run on its device; they change the weights. Raises what training may raise."""
    image = _image_seconds(setup)
    features = computes_features_once(setup)
    if features:
        width, train = use_features(setup), setup.dataset.train
        values = torch.rand(len(train), width, device=setup.device)
        setup.dataset = replace(setup.dataset, train=FeatureSplit(values, train))
        setup.transforms, setup.mix = (), None
    step, graph = _step(setup)
    _mean_seconds(step, setup.device, WARMUP)
    seconds, steps = _mean_seconds(step, setup.device)
    if isinstance(step, TrainingSteps) and (more := setup.config.optimizer.accumulate - 1):
        # A whole step may have so many batches that it takes hours.
        step.add_batch()
        seconds += more * _mean_seconds(step.add_batch, setup.device)[0]
    return Speed(seconds, image, steps, graph, features)


def _step(setup: Setup) -> tuple[Callable[[], object], bool]:
    """Return a function that takes a step of one batch, and whether it replays a CUDA graph, as training would."""
    if setup.device.type == "cuda" and not capture_obstacle(setup):
        set_training_mode(setup.model, setup.config, frozen=setup.frozen)
        try:
            captured = GraphStep(setup, RunningMetrics(STEPS + WARMUP, setup.device))
        except Exception:  # Training then takes eager steps, too.
            return TrainingSteps(setup, accumulate=1), False
        indices = torch.arange(setup.config.data.images_per_batch, device=setup.device)
        return lambda: captured(indices, setup.config.optimizer.lr), True
    return TrainingSteps(setup, accumulate=1), False


def _image_seconds(setup: Setup) -> float:
    """Return the seconds that an evaluation takes per image."""
    split: Split = setup.dataset.train
    size = min(batch_size(split, setup.dataset.shape), len(split))
    images, _ = next(split.batches(torch.arange(size), size))
    setup.model.eval()
    with torch.inference_mode():
        compute_logits(setup.model, images, setup.normalize, setup.autocast)
        seconds, _ = _mean_seconds(
            lambda: compute_logits(setup.model, images, setup.normalize, setup.autocast), setup.device, steps=2
        )
    return seconds / size


def _mean_seconds(action: Callable[[], object], device: torch.device, steps: int = STEPS) -> tuple[float, int]:
    """Return the mean time of several calls, and their number."""
    _finish(device)
    started, done = time.perf_counter(), 0
    while done < steps and (not done or time.perf_counter() - started < SECONDS):
        action()
        done += 1
        if time.perf_counter() - started > SECONDS / 2:
            _finish(device)
    _finish(device)
    return (time.perf_counter() - started) / done, done


def _finish(device: torch.device) -> None:
    """Wait until the device has computed what was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
