"""The learning-rate range test of Smith 2015, "Cyclical Learning Rates for Training Neural Networks", section 3.3."""

from collections.abc import Iterator
from itertools import count
from math import isfinite

from torch import Tensor

from tuitrain.training.backward import build_backward
from tuitrain.training.fine_tuning.freeze import set_training_mode
from tuitrain.training.optim.groups import SCALE
from tuitrain.training.setup import Setup


def range_test(setup: Setup, low: float, high: float, steps: int) -> Iterator[tuple[float, float]]:
    """Train `steps` steps whose learning rate grows exponentially from `low` to `high`. Yield each learning rate and
    the training loss at it; end early at a loss that is not finite. The network is of no use afterwards."""
    set_training_mode(setup.model, setup.config, frozen=setup.frozen)
    backward, optimizer, scaler = build_backward(setup), setup.optimizer, setup.scaler
    # No step has more batches than an epoch.
    accumulate, batches = min(setup.config.optimizer.accumulate, setup.batches_per_epoch), _batches(setup)
    for step in range(steps):
        rate = low * (high / low) ** (step / max(steps - 1, 1))
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get(SCALE, 1.0)
        losses = [backward(*next(batches), accumulate)[0].item() for _ in range(accumulate)]
        loss = sum(losses) / accumulate
        if not isfinite(loss):
            return
        yield rate, loss
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        backward.zero_grad()


def _batches(setup: Setup) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and labels of augmented training batches, of epoch after epoch."""
    for epoch in count():
        for images, labels in setup.dataset.train.batches(setup.epoch_order(epoch), setup.config.data.images_per_batch):
            yield setup.inputs_and_labels(images, labels)
