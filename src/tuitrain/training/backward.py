"""Compute the loss and gradients of a mini-batch: by autograd, or directly for a plain MLP on the CPU."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuitrain.config.schema import Activation
from tuitrain.training.models.mlp import MLP
from tuitrain.training.setup import Setup
from tuitrain.training.torch_internals import aten, log_softmax_backward


class AutogradBackward:
    """Backpropagation by autograd: for any model, device and precision. Call it once per mini-batch, step the
    optimizer, then call `zero_grad`."""

    def __init__(self, setup: Setup) -> None:
        self._model, self._optimizer = setup.model, setup.optimizer
        self._autocast, self._scaler = setup.autocast, setup.scaler
        self._label_smoothing = setup.config.training.label_smoothing

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:
        """Add the gradients of the loss, divided by `accumulated`, to those of the parameters.

        `images` (N, C, H, W), `labels` (N,) int64; `accumulated` is the number of mini-batches in the step. Returns
        the mean loss () and the logits (N, K), both detached.
        """
        loss, logits = self.forward(images, labels)
        self.backward(loss / accumulated if accumulated > 1 else loss)
        return loss.detach(), logits.detach()

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss () and the logits (N, K) with their autograd graph."""
        with self._autocast():
            logits = self._model(images)
            return F.cross_entropy(logits, labels, label_smoothing=self._label_smoothing), logits

    def backward(self, loss: Tensor) -> None:
        torch.autograd.backward(self._scaler.scale(loss))

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()


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


class DirectBackward:
    """Backpropagation without autograd: for an MLP in float32 on the CPU, without gradient accumulation.

    It calls the kernels that autograd calls, and writes into gradients that are allocated once. With small batches
    autograd's bookkeeping takes as long as these kernels.
    """

    def __init__(self, setup: Setup) -> None:
        assert isinstance(setup.model, MLP)
        linears = [module for module in (*setup.model.layers, setup.model.head) if isinstance(module, nn.Linear)]
        for parameter in setup.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._weights = [(linear.weight.detach(), linear.bias.detach()) for linear in linears]
        self._gradients = [(linear.weight.grad, linear.bias.grad) for linear in linears]
        self._activation = setup.model.layers[1] if len(linears) > 1 else nn.Identity()
        self._activation_backward = _ACTIVATION_BACKWARD[setup.config.model.activation]
        self._label_smoothing = setup.config.training.label_smoothing
        self._one = torch.ones(())

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        # inputs[i] (N, features) goes into linear layer i, whose output before the activation is outputs[i].
        inputs: list[Tensor] = []
        outputs: list[Tensor] = []
        for weight, bias in self._weights:
            inputs.append(self._activation(outputs[-1]) if outputs else images.detach().flatten(1))
            outputs.append(torch.addmm(bias, inputs[-1], weight.t()))
        loss, grad = self._loss_and_gradient(outputs[-1], labels)
        for layer in reversed(range(len(self._weights))):
            # grad (N, features) is the gradient of the layer's output.
            weight_grad, bias_grad = self._gradients[layer]
            torch.mm(grad.t(), inputs[layer], out=weight_grad)
            torch.sum(grad, 0, out=bias_grad)
            if layer:
                grad = grad.mm(self._weights[layer][0])
                grad = self._activation_backward(grad, outputs[layer - 1], inputs[layer])
        return loss, outputs[-1]

    def _loss_and_gradient(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy () and its gradient with respect to the logits (N, K)."""
        if self._label_smoothing:
            leaf = logits.detach().requires_grad_()
            with torch.enable_grad():
                loss = F.cross_entropy(leaf, labels, label_smoothing=self._label_smoothing)
            (grad,) = torch.autograd.grad(loss, leaf)
            return loss.detach(), grad
        log_softmax = torch.log_softmax(logits, 1)
        # Reduction 1 is the mean; -100 is the class that torch ignores by default.
        loss, count = aten.nll_loss_forward(log_softmax, labels, None, 1, -100)
        grad = aten.nll_loss_backward(self._one, log_softmax, labels, None, 1, -100, count)
        return loss, log_softmax_backward(grad, log_softmax, 1, torch.float32)

    def zero_grad(self) -> None:
        """Do nothing: the next call overwrites the gradients."""


Backward = AutogradBackward | DirectBackward


def build_backward(setup: Setup) -> Backward:
    """Return the fastest implementation for the run; both are bit-identical."""
    config = setup.config
    plain_mlp = isinstance(setup.model, MLP) and not config.model.dropout and not config.model.batch_norm
    plain_step = config.training.precision == "fp32" and config.optimizer.accumulate == 1
    direct = plain_mlp and plain_step and setup.device.type == "cpu"
    return DirectBackward(setup) if direct else AutogradBackward(setup)
