"""Warm up the GPU with steps that make its libraries load and choose kernels, then restore the state of the run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, optim

from tuitrain.training import checkpoint
from tuitrain.training.backward import AutogradBackward
from tuitrain.training.data.feature_split import FeatureSplit
from tuitrain.training.optim.build import inner_optimizers
from tuitrain.training.setup import Setup

# The number of warm-up iterations in `torch.cuda.make_graphed_callables`.
WARMUP_STEPS = 3
# The state of every optimizer starts at zero, except this factor of NAdam.
_INITIAL_STATE = {"mu_product": 1.0}


def warm_up(setup: Setup) -> None:
    """Take `WARMUP_STEPS` steps on black images and restore the model, the optimizer and the generators."""
    size = min(setup.config.data.images_per_batch, setup.images_per_epoch)
    train = setup.dataset.train
    if isinstance(train, FeatureSplit):
        images = torch.zeros(size, *train.images.shape[1:], device=setup.device)
    else:
        images = setup.normalize(torch.zeros(size, *setup.dataset.shape, dtype=torch.uint8, device=setup.device))
    labels = torch.zeros(size, dtype=torch.int64, device=setup.device)
    backward = AutogradBackward(setup)
    try:
        with preserve_state(list(setup.model.state_dict().values()), inner_optimizers(setup.optimizer), setup.device):
            for _ in range(WARMUP_STEPS):
                backward(images, labels, 1)
                setup.optimizer.step()
                backward.zero_grad()
    finally:
        backward.zero_grad()


@contextmanager
def preserve_state(
    tensors: Sequence[Tensor], optimizers: Sequence[optim.Optimizer], device: torch.device
) -> Iterator[None]:
    """On exit, restore `tensors`, the state of the optimizers and all random generators, in place."""
    values = [tensor.detach().clone() for tensor in tensors]
    states = [{parameter: _clones(state) for parameter, state in optimizer.state.items()} for optimizer in optimizers]
    generators = checkpoint.rng_state(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
        for optimizer, before in zip(optimizers, states, strict=True):
            for parameter, state in optimizer.state.items():
                _restore(state, before.get(parameter, {}))
        checkpoint.set_rng_state(generators, device)


def _clones(state: dict[str, object]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}


def _restore(state: dict[str, object], before: dict[str, Tensor]) -> None:
    for name, value in state.items():
        if isinstance(value, Tensor):
            value.copy_(before[name]) if name in before else value.fill_(_INITIAL_STATE.get(name, 0.0))
