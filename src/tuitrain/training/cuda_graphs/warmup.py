"""Steps before the first one, that a GPU's libraries load and choose their kernels by: of the run they are none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, optim

from tuitrain.training import checkpoint
from tuitrain.training.backward import AutogradBackward
from tuitrain.training.optim.build import inner_optimizers
from tuitrain.training.setup import Setup

# As many as torch's own graphs take before they are captured.
STEPS = 3
# What an optimizer remembers begins with zeros, but for this factor of nadam's.
_FRESH = {"mu_product": 1.0}


def rehearse(setup: Setup) -> None:
    """A few steps on black images, taken back."""
    size = min(setup.config.data.batch_size, setup.images_per_epoch)
    images = torch.zeros(size, *setup.dataset.shape, device=setup.device)
    labels = torch.zeros(size, dtype=torch.int64, device=setup.device)
    backward = AutogradBackward(setup)
    try:
        with taken_back(list(setup.model.state_dict().values()), inner_optimizers(setup.optimizer), setup.device):
            for _ in range(STEPS):
                backward(images, labels, 1)
                setup.optimizer.step()
                backward.zero_grad()
    finally:
        backward.zero_grad()


@contextmanager
def taken_back(
    tensors: Sequence[Tensor], optimizers: Sequence[optim.Optimizer], device: torch.device
) -> Iterator[None]:
    """At its end `tensors`, what the optimizers keep and all generators are as before, in the same places of memory."""
    kept = [tensor.detach().clone() for tensor in tensors]
    states = [{parameter: _clones(state) for parameter, state in optimizer.state.items()} for optimizer in optimizers]
    random = checkpoint.rng_state(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, kept, strict=True):
                tensor.copy_(value)
        for optimizer, before in zip(optimizers, states, strict=True):
            for parameter, state in optimizer.state.items():
                _restore(state, before.get(parameter, {}))
        checkpoint.set_rng_state(random, device)


def _clones(state: dict[str, object]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}


def _restore(state: dict[str, object], before: dict[str, Tensor]) -> None:
    for name, value in state.items():
        if isinstance(value, Tensor):
            value.copy_(before[name]) if name in before else value.fill_(_FRESH.get(name, 0.0))
