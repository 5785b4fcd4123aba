"""Measure real training steps: their time and the memory that they take."""

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from tuitrain.training.backward import Backward, build_backward
from tuitrain.training.estimate.sizes import bytes_of, kept_tensors
from tuitrain.training.fine_tuning.freeze import set_training_mode
from tuitrain.training.setup import Setup


class TrainingSteps:
    """Takes eager steps of a run, which change the weights of its network. A step has `accumulate` batches, by default
    as many as the configuration says."""

    def __init__(self, setup: Setup, accumulate: int = 0) -> None:
        self._setup, self._accumulate = setup, accumulate or setup.config.optimizer.accumulate
        set_training_mode(setup.model, setup.config, frozen=setup.frozen)
        self._backward: Backward = build_backward(setup)
        self._batches = _batches(setup)

    def __call__(self) -> None:
        setup, config = self._setup, self._setup.config
        for _ in range(self._accumulate):
            self.add_batch()
        if config.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(setup.model.parameters(), config.optimizer.clip_norm)
        if setup.scaler.is_enabled():
            setup.scaler.step(setup.optimizer)
            setup.scaler.update()
        else:
            setup.optimizer.step()
        self._backward.zero_grad()
        if setup.average:
            setup.average.update(0)

    def add_batch(self) -> None:
        """Add the gradients of a batch to those of the step."""
        self._backward(*next(self._batches), self._setup.config.optimizer.accumulate)


def _batches(setup: Setup) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and labels of augmented training batches, of epoch after epoch."""
    for epoch in count():
        for images, labels in setup.dataset.train.batches(setup.epoch_order(epoch), setup.config.data.images_per_batch):
            yield setup.inputs_and_labels(images, labels)


def measure_peak(setup: Setup) -> int:
    """Return the bytes that training takes at its peak, beside the images of the splits."""
    step = TrainingSteps(setup)
    step()  # Creates the state of the optimizer.
    return bytes_of(kept_tensors(setup)) + peak_of(step, setup.device)


def peak_of(action: Callable[[], object], device: torch.device) -> int:
    """Call `action` and return the largest number of bytes that torch allocated for it at once."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        action()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        action()
    assert profiler.profiler is not None
    events = profiler.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    total = peak = 0
    for _, change in changes:
        total += change
        peak = max(peak, total)
    return peak
