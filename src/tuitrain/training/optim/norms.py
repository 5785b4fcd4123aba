"""Gradient norms of each layer, for the log."""

from math import isfinite

import torch
from torch import Tensor, nn

from tuitrain.training.torch_internals import foreach_norm

# The module path and the parameters of each layer.
Layers = list[tuple[str, list[nn.Parameter]]]


def gradient_layers(model: nn.Module, *, trainable: bool = False) -> Layers:
    """Return the layers whose weight has at least two dimensions, in the order of their declaration; with `trainable`,
    only those that are not frozen."""
    layers = []
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        frozen = trainable and not any(parameter.requires_grad for parameter in own.values())
        if not frozen and any(name.endswith("weight") and parameter.ndim >= 2 for name, parameter in own.items()):
            layers.append((path, list(own.values())))
    return layers


def trainable(layers: Layers) -> list[bool]:
    """Return whether each layer trains at present."""
    return [any(parameter.requires_grad for parameter in parameters) for _, parameters in layers]


def layer_gradient_norms(layers: Layers) -> Tensor:
    """Return the L2 norm of each layer's gradient `(L,) float32` on the device, without synchronizing. A parameter
    without a gradient counts as zero."""
    gradients = [parameter.grad for _, parameters in layers for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros(len(layers), device=layers[0][1][0].device if layers else None)
    # One call for all parameters, because one call per layer took 0.3 ms for an mlp.
    norms = iter(foreach_norm(gradients, 2, torch.float32))
    zero, width = torch.zeros((), device=gradients[0].device), max(len(parameters) for _, parameters in layers)
    padded: list[Tensor] = []
    for _, parameters in layers:
        own = [zero if parameter.grad is None else next(norms) for parameter in parameters]
        padded += own + [zero] * (width - len(own))
    total: Tensor = torch.linalg.vector_norm(torch.stack(padded).view(len(layers), width), dim=1)
    return total


def short(value: float, known: bool = True) -> float | None:
    """Round to four digits, to keep the metrics file small; None if `value` is not finite or not `known`."""
    return float(f"{value:.4g}") if known and isfinite(value) else None
