"""Compute the loss and gradients of a mini-batch: by autograd, or directly for an MLP on the CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.training.direct_layers import direct_layers
from tuitrain.training.fine_tuning.freeze import is_frozen
from tuitrain.training.models.mlp import MLP
from tuitrain.training.setup import Setup
from tuitrain.training.torch_internals import aten, log_softmax_backward


def mean_loss(logits: Tensor, labels: Tensor, class_weights: Tensor | None, smoothing: float) -> Tensor:
    """Return the cross-entropy () of `logits` (N, K) and `labels`, (N,) int64 or the probabilities of the classes,
    (N, K): the mean over the images, weighted by class."""
    if class_weights is None or not labels.is_floating_point():
        return F.cross_entropy(logits, labels, class_weights, label_smoothing=smoothing)
    # For probabilities, torch divides by N; for int64 by the sum of the weights.
    total = F.cross_entropy(logits, labels, class_weights, reduction="sum", label_smoothing=smoothing)
    return total / (labels * class_weights).sum()


class AutogradBackward:
    """Backpropagation by autograd: for any model, device and precision. Call it once per mini-batch, step the
    optimizer, then call `zero_grad`."""

    def __init__(self, setup: Setup) -> None:
        self._model, self._optimizer = setup.forward, setup.optimizer
        self._autocast, self._scaler = setup.autocast, setup.scaler
        self._class_weights, self._label_smoothing = setup.class_weights, setup.config.training.label_smoothing

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:
        """Add the gradients of the loss, divided by `accumulated`, to those of the parameters.

        `images` (N, C, H, W), `labels` (N,) int64 or the probabilities of the classes, (N, K); `accumulated` is the
        number of mini-batches in the step. Returns the mean loss () and the logits (N, K), both detached.
        """
        loss, logits = self.forward(images, labels)
        self.backward(loss / accumulated if accumulated > 1 else loss)
        return loss.detach(), logits.detach()

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss () and the logits (N, K) with their autograd graph."""
        with self._autocast():
            logits = self._model(images)
            loss = mean_loss(logits, labels, self._class_weights, self._label_smoothing)
        return loss, logits

    def backward(self, loss: Tensor) -> None:
        torch.autograd.backward(self._scaler.scale(loss))

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()


class DirectBackward:
    """Backpropagation without autograd: for an MLP in float32 on the CPU, without gradient accumulation.

    It calls the kernels that autograd calls. With small batches autograd's bookkeeping takes as long as these kernels.
    """

    def __init__(self, setup: Setup) -> None:
        assert isinstance(setup.model, MLP)
        self._layers = direct_layers(setup.model, setup.config.model.activation)
        self._class_weights, self._label_smoothing = setup.class_weights, setup.config.training.label_smoothing
        self._one = torch.ones(())

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        output = images.detach().flatten(1)
        for layer in self._layers:
            output = layer.forward(output)
        loss, grad = self._loss_and_gradient(output, labels)
        for layer in reversed(self._layers):
            grad = layer.backward(grad)
        return loss, output

    def _loss_and_gradient(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy () and its gradient with respect to the logits (N, K)."""
        if self._label_smoothing or labels.is_floating_point():
            leaf = logits.detach().requires_grad_()
            with torch.enable_grad():
                loss = mean_loss(leaf, labels, self._class_weights, self._label_smoothing)
            (grad,) = torch.autograd.grad(loss, leaf)
            return loss.detach(), grad
        log_softmax, weights = torch.log_softmax(logits, 1), self._class_weights
        # Reduction 1 is the mean; -100 is the class that torch ignores by default.
        loss, total = aten.nll_loss_forward(log_softmax, labels, weights, 1, -100)
        grad = aten.nll_loss_backward(self._one, log_softmax, labels, weights, 1, -100, total)
        return loss, log_softmax_backward(grad, log_softmax, 1, torch.float32)

    def zero_grad(self) -> None:
        """Do nothing: the next call overwrites the gradients."""


Backward = AutogradBackward | DirectBackward


def build_backward(setup: Setup) -> Backward:
    """Return the fastest implementation for the run; both are bit-identical."""
    config = setup.config
    plain_step = config.training.precision == "fp32" and config.optimizer.accumulate == 1
    # The direct layers neither freeze weights nor keep the statistics of batch normalization.
    fine_tunes = config.model.weights is not None or is_frozen(config, 0)
    direct = isinstance(setup.model, MLP) and plain_step and not fine_tunes and setup.device.type == "cpu"
    return DirectBackward(setup) if direct else AutogradBackward(setup)
