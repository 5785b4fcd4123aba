"""A mini-batch's loss and gradients: by autograd, and without it where the network is plain enough."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuitrain.config.schema import Activation
from tuitrain.training.models.mlp import MLP
from tuitrain.training.setup import Setup
from tuitrain.training.torch_internals import aten, log_softmax_backward


class Backward(Protocol):
    def __call__(self, images: Tensor, labels: Tensor, together: int, /) -> tuple[Tensor, Tensor]:
        """Adds the gradients of the loss, divided by `together`, to those of the weights.

        Gives the mean loss () and the logits (N, K), neither with a graph.
        """
        ...

    def zero_grad(self) -> None:
        """The step is taken: the next gradients begin anew."""
        ...


def build_backward(setup: Setup) -> Backward:
    """What computes them fastest: `DirectBackward` gives the same as `AutogradBackward` to the last bit."""
    return DirectBackward(setup) if DirectBackward.fits(setup) else AutogradBackward(setup)


class AutogradBackward:
    """Any network, device and precision."""

    def __init__(self, setup: Setup) -> None:
        self._model, self._autocast, self._scaler, self._optimizer = (
            setup.model,
            setup.autocast,
            setup.scaler,
            setup.optimizer,
        )
        self._smoothing = setup.config.training.label_smoothing

    def __call__(self, images: Tensor, labels: Tensor, together: int, /) -> tuple[Tensor, Tensor]:
        loss, logits = self.forward(images, labels)
        self.backward(loss / together if together > 1 else loss)
        return loss.detach(), logits.detach()

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss () and the logits (N, K), with their graph."""
        with self._autocast():
            logits = self._model(images)
            return F.cross_entropy(logits, labels, label_smoothing=self._smoothing), logits

    def backward(self, loss: Tensor) -> None:
        torch.autograd.backward(self._scaler.scale(loss))

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()


# The gradient of an activation's input, from that of its output, its input and its output.
_Backward = Callable[[Tensor, Tensor, Tensor], Tensor]
_BACKWARD: dict[Activation, _Backward] = {
    "relu": lambda grad, _, output: aten.threshold_backward(grad, output, 0),
    "sigmoid": lambda grad, _, output: aten.sigmoid_backward(grad, output),
    "tanh": lambda grad, _, output: aten.tanh_backward(grad, output),
    "leaky-relu": lambda grad, input, _: aten.leaky_relu_backward(grad, input, 0.01, False),
    "gelu": lambda grad, input, _: aten.gelu_backward(grad, input),
    "silu": lambda grad, input, _: aten.silu_backward(grad, input),
    "elu": lambda grad, input, _: aten.elu_backward(grad, 1.0, 1.0, 1.0, False, input),
}


class DirectBackward:
    """An mlp of linear layers and activations in float32 on the CPU, one mini-batch a step.

    Back-propagation as autograd does it, by the same kernels, but called directly and writing into gradients that
    stay where they are: at small batches, half of autograd's time goes into everything else.
    """

    @staticmethod
    def fits(setup: Setup) -> bool:
        config = setup.config
        plain = isinstance(setup.model, MLP) and not config.model.dropout and not config.model.batch_norm
        alone = config.training.precision == "fp32" and config.optimizer.accumulate == 1
        return plain and alone and setup.device.type == "cpu"

    def __init__(self, setup: Setup) -> None:
        assert isinstance(setup.model, MLP)
        modules = [module for module in (*setup.model.layers, setup.model.head) if isinstance(module, nn.Linear)]
        for parameter in setup.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._weights = [(linear.weight.detach(), linear.bias.detach()) for linear in modules]
        self._gradients = [(linear.weight.grad, linear.bias.grad) for linear in modules]
        self._activate = setup.model.layers[1] if len(modules) > 1 else nn.Identity()
        self._backward = _BACKWARD[setup.config.model.activation]
        self._smoothing = setup.config.training.label_smoothing
        self._one = torch.ones(())

    def __call__(self, images: Tensor, labels: Tensor, _together: int, /) -> tuple[Tensor, Tensor]:
        inputs, sums = [images.detach().flatten(1)], []
        for weight, bias in self._weights[:-1]:
            sums.append(torch.addmm(bias, inputs[-1], weight.t()))
            inputs.append(self._activate(sums[-1]))
        weight, bias = self._weights[-1]
        logits = torch.addmm(bias, inputs[-1], weight.t())
        loss, grad = self._loss(logits, labels)
        for layer in reversed(range(len(self._weights))):
            of_weight, of_bias = self._gradients[layer]
            torch.mm(grad.t(), inputs[layer], out=of_weight)
            torch.sum(grad, 0, out=of_bias)
            if layer:
                grad = self._backward(grad.mm(self._weights[layer][0]), sums[layer - 1], inputs[layer])
        return loss, logits

    def _loss(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy () and its gradient (N, K)."""
        if self._smoothing:
            leaf = logits.detach().requires_grad_()
            with torch.enable_grad():
                loss = F.cross_entropy(leaf, labels, label_smoothing=self._smoothing)
            (grad,) = torch.autograd.grad(loss, leaf)
            return loss.detach(), grad
        log_softmax = torch.log_softmax(logits, 1)
        loss, count = aten.nll_loss_forward(log_softmax, labels, None, 1, -100)
        grad = aten.nll_loss_backward(self._one, log_softmax, labels, None, 1, -100, count)
        return loss, log_softmax_backward(grad, log_softmax, 1, torch.float32)

    def zero_grad(self) -> None:
        """Nothing: they are written over."""
