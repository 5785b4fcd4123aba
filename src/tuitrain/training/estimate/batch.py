"""Find settings with which a run fits into the memory."""

from collections.abc import Callable, Iterator

import torch

from tuitrain.analysis.memory import Need
from tuitrain.config.schema import Config
from tuitrain.config.values import build_config, flatten
from tuitrain.training.estimate.fake import Shape
from tuitrain.training.estimate.need import estimate_need

Estimate = Callable[[Config], Need]
# Values of settings by key.
Values = dict[str, object]


def estimator(shape: Shape, classes: int, images: int, device: torch.device, free: int | None) -> Estimate:
    """Return a function that estimates the need of a configuration: see `estimate_need`."""
    return lambda config: estimate_need(config, shape, classes, images, device, free)


def settings_that_fit(config: Config, estimate: Estimate) -> Values:
    """Return the settings that make a run fit that does not; empty if none of those tried do. A step still has the same
    number of images, in smaller batches; if that does not suffice, the precision is reduced, too."""
    for change in _changes(config):
        if estimate(build_config(flatten(config) | change)).fits:
            return change
    return {}


def _changes(config: Config) -> Iterator[Values]:
    reduced: list[Values] = [{}]
    if config.training.precision == "fp32":
        reduced.append({"training.precision": "bf16"})
    for more in reduced:
        batch, accumulate = config.data.batch_size, config.optimizer.accumulate
        while batch % 2 == 0 and batch > 2:
            batch, accumulate = batch // 2, accumulate * 2
            yield {"data.batch_size": batch, "optimizer.accumulate": accumulate, **more}
