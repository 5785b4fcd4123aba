"""Compute the forward and backward passes of an MLP by the kernels that autograd would call, in the same order.

Each layer keeps what its backward pass needs from the latest forward pass. `backward` takes the gradient of the output,
sets the gradients of the parameters, or with `add` adds to them, and returns the gradient of the input.
"""

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from tuitrain.config.schema import Activation
from tuitrain.training.models.mlp import MLP
from tuitrain.training.torch_internals import aten

# (gradient of the output, input, output) -> gradient of the input
_ActivationBackward = Callable[[Tensor, Tensor, Tensor], Tensor]
_ACTIVATION_BACKWARD: dict[Activation, _ActivationBackward] = {
    "relu": lambda grad, _, output: aten.threshold_backward(grad, output, 0),
    "sigmoid": lambda grad, _, output: aten.sigmoid_backward(grad, output),
    "tanh": lambda grad, _, output: aten.tanh_backward(grad, output),
    "leaky-relu": lambda grad, input, _: aten.leaky_relu_backward(grad, input, 0.01, False),
    "gelu": lambda grad, input, _: aten.gelu_backward(grad, input),
    "silu": lambda grad, input, _: aten.silu_backward(grad, input),
    "elu": lambda grad, input, _: aten.elu_backward(grad, 1.0, 1.0, 1.0, False, input),
}


class DirectLayer(Protocol):
    """A layer with explicit forward and backward passes; see the description of this module."""

    def forward(self, input: Tensor) -> Tensor: ...

    def backward(self, grad: Tensor, *, add: bool) -> Tensor: ...


class DirectLinear:
    """A linear layer that writes into gradients allocated once. The `first` layer does not compute the gradient of the
    images."""

    def __init__(self, linear: nn.Linear, *, first: bool) -> None:
        self._first = first
        self._weight, self._weight_grad = linear.weight.detach(), _new_gradient(linear.weight)
        # The type of `nn.Linear` omits that the bias may be None.
        bias = cast(Tensor | None, linear.bias)
        self._bias = None if bias is None else (bias.detach(), _new_gradient(bias))

    def forward(self, input: Tensor) -> Tensor:
        self._input = input
        if self._bias is None:
            return input.mm(self._weight.t())
        return torch.addmm(self._bias[0], input, self._weight.t())

    def backward(self, grad: Tensor, *, add: bool) -> Tensor:
        if add:
            # A fused product and sum would round differently from autograd.
            self._weight_grad.add_(grad.t().mm(self._input))
        else:
            torch.mm(grad.t(), self._input, out=self._weight_grad)
        if self._bias is not None and add:
            self._bias[1].add_(grad.sum(0))
        elif self._bias is not None:
            torch.sum(grad, 0, out=self._bias[1])
        return grad if self._first else grad.mm(self._weight)


class DirectBatchNorm:
    """A batch normalization in training mode: it uses the statistics of the mini-batch and updates the running ones."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        self._norm, self._momentum = norm, cast(float, norm.momentum)
        self._weight, self._bias = norm.weight.detach(), norm.bias.detach()
        self._running = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        self._count = cast(Tensor, norm.num_batches_tracked)

    def forward(self, input: Tensor) -> Tensor:
        self._input = input
        self._count.add_(1)
        output, *self._saved = torch.native_batch_norm(
            input, self._weight, self._bias, *self._running, True, self._momentum, self._norm.eps
        )
        return output

    def backward(self, grad: Tensor, *, add: bool) -> Tensor:
        input_grad, weight_grad, bias_grad = aten.native_batch_norm_backward(
            grad, self._input, self._weight, *self._running, *self._saved, True, self._norm.eps, [True, True, True]
        )
        for parameter, new in ((self._norm.weight, weight_grad), (self._norm.bias, bias_grad)):
            parameter.grad = parameter.grad.add_(new) if add and parameter.grad is not None else new
        return cast(Tensor, input_grad)


class DirectActivation:
    """An activation function, such as relu."""

    def __init__(self, activation: nn.Module, name: Activation) -> None:
        self._forward: Callable[[Tensor], Tensor] = activation.forward
        self._backward = _ACTIVATION_BACKWARD[name]

    def forward(self, input: Tensor) -> Tensor:
        self._input, self._output = input, self._forward(input)
        return self._output

    def backward(self, grad: Tensor, *, add: bool) -> Tensor:  # noqa: ARG002
        return self._backward(grad, self._input, self._output)


class DirectDropout:
    """A dropout that draws from the global generator as `nn.Dropout` does."""

    def __init__(self, probability: float) -> None:
        self._kept = 1 - probability

    def forward(self, input: Tensor) -> Tensor:
        self._scale = torch.empty_like(input).bernoulli_(self._kept).div_(self._kept)
        return input * self._scale

    def backward(self, grad: Tensor, *, add: bool) -> Tensor:  # noqa: ARG002
        return grad * self._scale


def direct_layers(model: MLP, activation: Activation) -> list[DirectLayer]:
    """Return the layers of the model, in training mode, from the flattened images to the logits."""
    layers: list[DirectLayer] = []
    for module in (*model.layers, model.head):
        if isinstance(module, nn.Linear):
            layers.append(DirectLinear(module, first=not layers))
        elif isinstance(module, nn.BatchNorm1d):
            layers.append(DirectBatchNorm(module))
        elif isinstance(module, nn.Dropout):
            layers.append(DirectDropout(module.p))
        else:
            layers.append(DirectActivation(module, activation))
    return layers


def _new_gradient(parameter: Tensor) -> Tensor:
    parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
