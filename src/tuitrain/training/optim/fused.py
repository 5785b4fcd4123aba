"""Call the optimizer's fused kernel directly."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn, optim

from tuitrain.training.torch_internals import fused_adam, fused_adamw, fused_sgd, without_dynamo

Step = Callable[[], object]


class FusedStep:
    """A faster `optimizer.step()`, bit-identical to it. The kernels are private to torch, so a trial step first checks
    that they exist and give the same weights."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._step: Step | None = None

    def __call__(self) -> None:
        if self._step is not None:
            self._step()
            return
        # The first step creates the optimizer's state.
        self._optimizer.step()
        self._step = _fastest_step(self._optimizer)


def _fastest_step(optimizer: optim.Optimizer) -> Step:
    """Return a step that calls the kernel for a supported optimizer on the CPU, else `optimizer.step`."""
    # `without_dynamo` makes subclasses of torch's optimizers.
    supported = next((base for base in type(optimizer).__mro__ if base in _FUSED_STEPS), None)
    groups = optimizer.param_groups
    if supported is None or not all(group["fused"] for group in groups):
        return optimizer.step
    has_state = all(
        parameter in optimizer.state and parameter.device.type == "cpu"
        for group in groups
        for parameter in group["params"]
    )
    if not has_state or not _matches_torch(supported):
        return optimizer.step
    steps = [_FUSED_STEPS[supported](optimizer, group) for group in groups]
    return steps[0] if len(steps) == 1 else lambda: [step() for step in steps]


def _adam_step(optimizer: optim.Optimizer, group: dict[str, Any]) -> Step:
    parameters: list[nn.Parameter] = group["params"]
    weights = [parameter.detach() for parameter in parameters]
    states = [optimizer.state[parameter] for parameter in parameters]
    means, squares, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    # Adam counts steps per parameter. Move the counters into one tensor, which a single call increments.
    counters = torch.stack(steps)
    for step, counter in zip(steps, counters, strict=True):
        step.data = counter
    kernel = fused_adamw if isinstance(optimizer, optim.AdamW) else fused_adam
    beta1, beta2 = group["betas"]

    def adam_step() -> None:
        counters.add_(1)
        kernel(
            weights, _gradients(parameters), means, squares, [], steps, lr=group["lr"],
            beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False,
            maximize=False,
        )  # fmt: skip

    return adam_step


def _sgd_step(optimizer: optim.Optimizer, group: dict[str, Any]) -> Step:
    parameters: list[nn.Parameter] = group["params"]
    weights = [parameter.detach() for parameter in parameters]
    buffers = [optimizer.state[parameter]["momentum_buffer"] for parameter in parameters] if group["momentum"] else []

    def sgd_step() -> None:
        fused_sgd(
            weights, _gradients(parameters), buffers, lr=group["lr"], momentum=group["momentum"],
            weight_decay=group["weight_decay"], dampening=0, nesterov=group["nesterov"], maximize=False,
            is_first_step=False,
        )  # fmt: skip

    return sgd_step


def _gradients(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [cast(Tensor, parameter.grad) for parameter in parameters]


_FUSED_STEPS: dict[Callable[..., optim.Optimizer], Callable[[optim.Optimizer, dict[str, Any]], Step]] = {
    optim.Adam: _adam_step,
    optim.AdamW: _adam_step,
    optim.SGD: _sgd_step,
}


@cache
def _matches_torch(optimizer_class: Callable[..., optim.Optimizer]) -> bool:
    """Return whether a direct second step gives exactly the weights that `optimizer.step` gives."""
    try:
        weights = [nn.Parameter(torch.linspace(-1, 1, 40)) for _ in range(2)]
        direct, reference = (
            without_dynamo(optimizer_class)([weight], lr=0.1, weight_decay=0.1, fused=True) for weight in weights
        )
        for weight, optimizer in zip(weights, (direct, reference), strict=True):
            weight.grad = weight.detach().sin()
            optimizer.step()
        _FUSED_STEPS[optimizer_class](direct, direct.param_groups[0])()
        reference.step()
    except (AttributeError, TypeError, RuntimeError):
        return False
    return torch.equal(*weights)
