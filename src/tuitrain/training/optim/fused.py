"""An optimizer's step, by the fused kernel that it ends in."""

from collections.abc import Callable
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn, optim

from tuitrain.training.optim.uncompiled import eager


class Step:
    """Does what `optimizer.step` does, to the last bit and on the same state, in less time.

    torch gathers weights, gradients and state anew in each step, which takes as long as the arithmetic where networks
    are small. Its fused kernels have no public name: whether they are there, and do the same, is tried first.
    """

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._direct: Callable[[], object] | None = None

    def __call__(self) -> None:
        if self._direct is not None:
            self._direct()
            return
        # The first one makes the state.
        self._optimizer.step()
        self._direct = _direct(self._optimizer)


def _direct(optimizer: optim.Optimizer) -> Callable[[], object]:
    # Those of `eager` are made from torch's own.
    kind = next((one for one in type(optimizer).__mro__ if one in _KERNELS), type(optimizer))
    group = optimizer.param_groups[0]
    known = kind in _KERNELS and len(optimizer.param_groups) == 1 and group["fused"]
    seen = all(parameter in optimizer.state and parameter.device.type == "cpu" for parameter in group["params"])
    return _KERNELS[kind](optimizer) if known and seen and _agrees(kind) else optimizer.step


def _adam(optimizer: optim.Optimizer) -> Callable[[], object]:
    (group,) = optimizer.param_groups
    parameters: list[nn.Parameter] = group["params"]
    weights = [parameter.detach() for parameter in parameters]
    states = [optimizer.state[parameter] for parameter in parameters]
    means, squares, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    # In one place they are counted by one call.
    count = torch.stack(steps)
    for step, place in zip(steps, count, strict=True):
        step.data = place
    kernel = torch._fused_adamw_ if isinstance(optimizer, optim.AdamW) else torch._fused_adam_
    beta1, beta2 = group["betas"]

    def take() -> None:
        count.add_(1)
        kernel(
            weights, _gradients(parameters), means, squares, [], steps, lr=group["lr"],
            beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False,
            maximize=False,
        )  # fmt: skip

    return take


def _sgd(optimizer: optim.Optimizer) -> Callable[[], object]:
    (group,) = optimizer.param_groups
    parameters: list[nn.Parameter] = group["params"]
    weights = [parameter.detach() for parameter in parameters]
    buffers = [optimizer.state[parameter]["momentum_buffer"] for parameter in parameters] if group["momentum"] else []

    def step() -> None:
        torch._fused_sgd_(
            weights, _gradients(parameters), buffers, lr=group["lr"], momentum=group["momentum"],
            weight_decay=group["weight_decay"], dampening=0, nesterov=group["nesterov"], maximize=False,
            is_first_step=False,
        )  # fmt: skip

    return step


def _gradients(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [cast(Tensor, parameter.grad) for parameter in parameters]


_KERNELS: dict[Callable[..., optim.Optimizer], Callable[[optim.Optimizer], Callable[[], object]]] = {
    optim.Adam: _adam,
    optim.AdamW: _adam,
    optim.SGD: _sgd,
}


@cache
def _agrees(kind: Callable[..., optim.Optimizer]) -> bool:
    """Whether a second step both ways gives the same weights."""
    try:
        weights = [nn.Parameter(torch.linspace(-1, 1, 40)) for _ in range(2)]
        ours, theirs = (eager(kind)([weight], lr=0.1, weight_decay=0.1, fused=True) for weight in weights)
        for weight, optimizer in zip(weights, (ours, theirs), strict=True):
            weight.grad = weight.detach().sin()
            optimizer.step()
        _KERNELS[kind](ours)()
        theirs.step()
    except (AttributeError, TypeError, RuntimeError):
        return False
    return torch.equal(*weights)
