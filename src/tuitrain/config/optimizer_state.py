"""Compute the size of an optimizer's state without building the optimizer."""

from tuitrain.config.schema import Optimizer

# State tensors per parameter, without the momentum buffer; 2 is an upper bound for muon.
_STATE_TENSORS = {"adam": 2, "adamw": 2, "nadam": 2, "radam": 2, "muon": 2, "rmsprop": 1, "adagrad": 1}
_MOMENTUM_OPTIMIZERS = ("sgd", "rmsprop")


def tensors_per_parameter(optimizer: Optimizer) -> int:
    """Return the number of values per weight that training keeps: the weight itself and its optimizer state."""
    has_momentum = optimizer.name in _MOMENTUM_OPTIMIZERS and optimizer.momentum > 0
    return 1 + _STATE_TENSORS.get(optimizer.name, 0) + has_momentum
