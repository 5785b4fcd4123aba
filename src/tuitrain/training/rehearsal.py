"""Steps before the first one, that a GPU's libraries load and choose their kernels by: of the run they are none."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tuitrain.training import checkpoint
from tuitrain.training.gradients import Autograd
from tuitrain.training.job import Job
from tuitrain.training.optimizers import parts

# As many as torch's own graphs take before they are captured.
STEPS = 3
# What an optimizer remembers begins with zeros, but for this factor of nadam's.
_FRESH = {"mu_product": 1.0}


def rehearse(job: Job) -> None:
    """A few steps on black images, taken back."""
    size = min(job.config.data.batch_size, job.images)
    images = torch.zeros(size, *job.dataset.shape, device=job.device)
    labels = torch.zeros(size, dtype=torch.int64, device=job.device)
    gradients = Autograd(job)
    with taken_back(job):
        for _ in range(STEPS):
            job.optimizer.zero_grad()
            gradients(images, labels, 1)
            job.optimizer.step()


@contextmanager
def taken_back(job: Job) -> Iterator[None]:
    """Weights, the optimizer's state and all generators are as before, in the same places of memory; no gradients."""
    optimizers = parts(job.optimizer)
    weights = list(job.model.state_dict().values())
    kept = [weight.clone() for weight in weights]
    states = [
        {parameter: _clones(optimizer.state[parameter]) for parameter in optimizer.state} for optimizer in optimizers
    ]
    random = checkpoint.random_state(job.device)
    try:
        yield
    finally:
        job.optimizer.zero_grad()
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
            for optimizer, before in zip(optimizers, states, strict=True):
                for parameter, state in optimizer.state.items():
                    _restore(state, before.get(parameter, {}))
        checkpoint.set_random_state(random, job.device)


def _clones(state: dict[str, object]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}


def _restore(state: dict[str, object], before: dict[str, Tensor]) -> None:
    for name, value in state.items():
        if isinstance(value, Tensor):
            value.copy_(before[name]) if name in before else value.fill_(_FRESH.get(name, 0.0))
