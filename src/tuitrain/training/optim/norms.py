"""Gradient norms of each layer, for the log."""

import torch
from torch import Tensor, nn

# The module path and the parameters of each layer.
Layers = list[tuple[str, list[nn.Parameter]]]


def gradient_layers(model: nn.Module) -> Layers:
    """Return the layers whose weight has at least two dimensions, in the order of their declaration."""
    layers = []
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if any(name.endswith("weight") and parameter.ndim >= 2 for name, parameter in own.items()):
            layers.append((path, list(own.values())))
    return layers


def layer_gradient_norms(layers: Layers) -> Tensor:
    """Return the L2 norm of each layer's gradient `(L,) float32` on the device, without synchronizing. A parameter
    without a gradient counts as zero."""
    return torch.stack([_norm(parameters) for _, parameters in layers]) if layers else torch.zeros(0)


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros((), device=parameters[0].device)
    return nn.utils.get_total_norm(gradients).float()
