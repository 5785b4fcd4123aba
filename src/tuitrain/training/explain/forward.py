"""Run a network with gradients, and find the last output in which positions of the image are left."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Autocast = Callable[[], AbstractContextManager[object]]


class ForwardPass(NamedTuple):
    """A forward pass that autograd has recorded.

    `inputs` is (N, C, H, W) and `logits` (N, K). `last` is the last output of a module with more than one position: a
    feature map (N, C, h, w) or (N, h, w, C), or tokens (N, L, D); None if there is none.
    """

    inputs: Tensor
    logits: Tensor
    last: Tensor | None


def forward_pass(model: nn.Module, inputs: Tensor, autocast: Autocast = nullcontext) -> ForwardPass:
    """Run `model` and record the graph from the inputs on, so that frozen weights do not interrupt it."""
    inputs = inputs.detach().clone().requires_grad_()
    last: list[Tensor] = []
    has_weights: list[nn.Module] = []

    def observe(module: nn.Module, _: Any, output: Any) -> None:
        if any(weight.ndim > 1 for weight in module.parameters(recurse=False)):
            has_weights.append(module)
        # An output before the first weights is only another view of the image.
        if has_weights and isinstance(output, Tensor) and _has_positions(output, len(inputs)):
            last[:] = [output]

    with torch.enable_grad(), _hooks(model, observe), autocast():
        logits: Tensor = model(inputs)
    return ForwardPass(inputs, logits, last[0] if last else None)


def _has_positions(output: Tensor, images: int) -> bool:
    if output.ndim == 3:
        return len(output) == images and output.shape[1] > 1
    return output.ndim == 4 and len(output) == images and output.shape[2] * output.shape[3] > 1


@contextmanager
def _hooks(model: nn.Module, observe: Callable[[nn.Module, Any, Any], None]) -> Iterator[None]:
    handles = [module.register_forward_hook(observe) for module in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put all modules into eval mode, and restore the mode of each: a frozen backbone differs from its classifier."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def gradient(passed: ForwardPass, classes: Tensor, of: Tensor) -> Tensor | None:
    """Return the gradient of the logits of `classes` (N,) with respect to the tensor `of`; None if they do not depend
    on it."""
    score = passed.logits.float().gather(1, classes[:, None]).sum()
    if not (score.requires_grad and of.requires_grad):
        return None
    (found,) = torch.autograd.grad(score, of, allow_unused=True, retain_graph=True)
    return found
