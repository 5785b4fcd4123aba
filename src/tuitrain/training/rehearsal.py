"""Steps before the first one, that a GPU's libraries load and choose their kernels by: of the run they are none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, optim

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
    with taken_back(list(job.model.state_dict().values()), job.optimizer, job.device):
        for _ in range(STEPS):
            job.optimizer.zero_grad()
            gradients(images, labels, 1)
            job.optimizer.step()


@contextmanager
def taken_back(tensors: Sequence[Tensor], optimizer: optim.Optimizer, device: torch.device) -> Iterator[None]:
    """At its end `tensors`, the optimizer's state and all generators are as before, in the same places of memory; there
    are no gradients."""
    kept = [tensor.detach().clone() for tensor in tensors]
    states = [{parameter: _clones(state) for parameter, state in part.state.items()} for part in parts(optimizer)]
    random = checkpoint.random_state(device)
    try:
        yield
    finally:
        optimizer.zero_grad()
        with torch.no_grad():
            for tensor, value in zip(tensors, kept, strict=True):
                tensor.copy_(value)
        for part, before in zip(parts(optimizer), states, strict=True):
            for parameter, state in part.state.items():
                _restore(state, before.get(parameter, {}))
        checkpoint.set_random_state(random, device)


def _clones(state: dict[str, object]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}


def _restore(state: dict[str, object], before: dict[str, Tensor]) -> None:
    for name, value in state.items():
        if isinstance(value, Tensor):
            value.copy_(before[name]) if name in before else value.fill_(_FRESH.get(name, 0.0))
