"""Find settings with which a run fits into the memory."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress

import torch
from msgspec.structs import replace

from tuitrain.analysis.memory import Need
from tuitrain.config.data.schema import MAX_AUTO_BATCH, MIN_STEPS
from tuitrain.config.schema import Config
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import ConfigError
from tuitrain.training.estimate.fake import Shape
from tuitrain.training.estimate.need import estimate_need

Estimate = Callable[[Config], Need]
# Values of settings by key.
Values = dict[str, int | bool | str]


def estimator(shape: Shape, classes: int, images: int, device: torch.device, free: int | None) -> Estimate:
    """Return a function that estimates the need of a configuration: see `estimate_need`."""
    return lambda config: estimate_need(config, shape, classes, images, device, free)


def with_batch_size(config: Config, images: int, estimate: Estimate) -> Config:
    """Return `config` with a number in place of `data.batch_size = auto`: the largest power of two that fits, at most
    `MAX_AUTO_BATCH`, and small enough for `MIN_STEPS` steps per epoch on `images` training images; 2 if none fits.
    Limit the batches as `within_epoch` does."""
    if config.data.batch_size != "auto":
        return within_epoch(config, images)
    sizes = [2**power for power in range(1, min(MAX_AUTO_BATCH, max(images // MIN_STEPS, 2)).bit_length())]
    configs = [replace(config, data=replace(config.data, batch_size=size)) for size in sizes]
    # False sorts before True: the first that does not fit.
    too_large = bisect_left(configs, True, key=lambda one: not estimate(one).fits)
    return within_epoch(configs[max(0, too_large - 1)], images)


def within_epoch(config: Config, images: int) -> Config:
    """Return `config`, whose batch size is a number, with the batches that training makes of `images` training images:
    no batch and no step has more images than an epoch."""
    size = min(config.data.images_per_batch, max(images, 2))
    accumulate = min(config.optimizer.accumulate, max(math.ceil(images / size), 1))
    if (size, accumulate) == (config.data.batch_size, config.optimizer.accumulate):
        return config
    data, optimizer = replace(config.data, batch_size=size), replace(config.optimizer, accumulate=accumulate)
    return replace(config, data=data, optimizer=optimizer)


def settings_that_fit(config: Config, estimate: Estimate) -> Values:
    """Return the settings that make a run fit that does not; empty if none of those tried do. A step keeps its number
    of images, in smaller batches; if that does not suffice, the run also recomputes activations, or uses bf16."""

    def fits(change: Values) -> bool:
        with suppress(ConfigError):  # The network has no blocks to recompute.
            return estimate(build_config(flatten(config) | change)).fits
        return False

    for more in _reductions(config):
        batches = [batch | more for batch in _smaller_batches(config)]
        # The smallest batches tell whether any fit.
        if batches and fits(batches[-1]):
            return next((change for change in batches[:-1] if fits(change)), batches[-1])
    return {}


def _smaller_batches(config: Config) -> Iterator[Values]:
    batch, accumulate = config.data.images_per_batch, config.optimizer.accumulate
    while batch % 2 == 0 and batch > 2:
        batch, accumulate = batch // 2, accumulate * 2
        yield {"data.batch_size": batch, "optimizer.accumulate": accumulate}


def _reductions(config: Config) -> list[Values]:
    training, model = config.training, config.model
    recomputed: Values = {"training.checkpointing": True}
    lower: Values = {"training.precision": "bf16"}
    found: list[Values] = [{}]
    if not (training.checkpointing or training.compile or model.name == "mlp"):
        found.append(recomputed)
    if training.precision == "fp32":
        found += [change | lower for change in found]
    return found
