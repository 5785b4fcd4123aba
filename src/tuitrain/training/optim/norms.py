"""Gradient norms of each layer, for the log."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Layers = Sequence[tuple[str, list[nn.Parameter]]]


def layer_gradient_norms(layers: Layers) -> Tensor:
    """Return the L2 norm of each layer's gradient `(L,) float32` on the device, without synchronizing. A parameter
    without a gradient counts as zero."""
    return torch.stack([_norm(parameters) for _, parameters in layers]) if layers else torch.zeros(0)


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros((), device=parameters[0].device)
    return nn.utils.get_total_norm(gradients).float()
