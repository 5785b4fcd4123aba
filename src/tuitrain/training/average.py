"""Average the weights exponentially over the steps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages all floating-point weights and buffers of `model`, such as the statistics of batch normalization.

    After t updates, the decay is at most (1 + t) / (10 + t), so that the average of a short run forgets the initial
    weights (as in TensorFlow's ExponentialMovingAverage and timm's ModelEmaV3).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._averages = {name: value.detach().clone() for name, value in model.state_dict().items()}
        # The tensors of a network stay the same, so that a step need not list them again.
        pairs = [(self._averages[name], value) for name, value in model.state_dict().items()]
        self._floats = [average for average, value in pairs if value.dtype.is_floating_point]
        self._current_floats = [value for _, value in pairs if value.dtype.is_floating_point]
        self._others = [(average, value) for average, value in pairs if not value.dtype.is_floating_point]

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Move the average towards the current weights after `updates` earlier steps."""
        weight = 1 - min(self._decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(self._floats, self._current_floats, weight)
        for average, value in self._others:
            average.copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages into the model, and restore its own weights on exit."""
        own = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self._averages)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self._averages)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load what `state_dict` returned. Raises KeyError and RuntimeError if it belongs to another network."""
        for name, average in self._averages.items():
            average.copy_(state[name])
