"""Compute the loss and gradients of a mini-batch: by autograd, or directly for an MLP on the CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tuitrain.training.direct_layers import direct_layers
from tuitrain.training.fine_tuning.freeze import is_frozen
from tuitrain.training.models.checkpointing import kept_statistics, tracking_norms
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
        self._recomputed_norms = tracking_norms(setup.model) if setup.config.training.checkpointing else []

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
        with kept_statistics(self._recomputed_norms):
            torch.autograd.backward(self._scaler.scale(loss))

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()


class DirectBackward:
    """Backpropagation without autograd: for an MLP in float32 on the CPU. Use it as `AutogradBackward`.

    It calls the kernels that autograd calls. With small batches autograd's bookkeeping takes as long as these kernels.
    """

    def __init__(self, setup: Setup) -> None:
        assert isinstance(setup.model, MLP)
        self._layers = direct_layers(setup.model, setup.config.model.activation)
        self._class_weights, self._label_smoothing = setup.class_weights, setup.config.training.label_smoothing
        # The factor of the gradients () by the number of mini-batches in a step.
        self._factors: dict[int, Tensor] = {}
        # Whether the gradients hold those of an earlier mini-batch of this step.
        self._add = False

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:
        output = images.detach().flatten(1)
        for layer in self._layers:
            output = layer.forward(output)
        if accumulated not in self._factors:
            self._factors[accumulated] = torch.tensor(1 / accumulated)
        loss, grad = self._loss_and_gradient(output, labels, self._factors[accumulated])
        for layer in reversed(self._layers):
            grad = layer.backward(grad, add=self._add)
        self._add = True
        return loss, output

    def _loss_and_gradient(self, logits: Tensor, labels: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy () and `factor` () times its gradient with respect to the logits (N, K)."""
        if self._label_smoothing or labels.is_floating_point():
            leaf = logits.detach().requires_grad_()
            with torch.enable_grad():
                loss = mean_loss(leaf, labels, self._class_weights, self._label_smoothing)
            (grad,) = torch.autograd.grad(loss, leaf, factor)
            return loss.detach(), grad
        log_softmax, weights = torch.log_softmax(logits, 1), self._class_weights
        # Reduction 1 is the mean; -100 is the class that torch ignores by default.
        loss, total = aten.nll_loss_forward(log_softmax, labels, weights, 1, -100)
        grad = aten.nll_loss_backward(factor, log_softmax, labels, weights, 1, -100, total)
        return loss, log_softmax_backward(grad, log_softmax, 1, torch.float32)

    def zero_grad(self) -> None:
        """Let the next call overwrite the gradients."""
        self._add = False


Backward = AutogradBackward | DirectBackward


def build_backward(setup: Setup) -> Backward:
    """Return the fastest implementation for the run; both are bit-identical. Several ranks share each batch."""
    if setup.group is not None:
        from tuitrain.training.distributed.backward import SharedBackward

        return SharedBackward(setup, setup.group)
    config = setup.config
    # The direct layers neither freeze weights nor keep the statistics of batch normalization.
    fine_tunes = config.model.weights is not None or is_frozen(config, 0)
    on_cpu = setup.device.type == "cpu" and config.training.precision == "fp32" and not config.training.compile
    direct = on_cpu and isinstance(setup.model, MLP) and not fine_tunes
    return DirectBackward(setup) if direct else AutogradBackward(setup)
