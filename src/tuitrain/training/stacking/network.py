"""Several mlps of one shape as one: their weights lie in one tensor a layer, and a step of all takes one call a layer.

Each network keeps its parameters, its gradients and its optimizer's state, which are views into what they share.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from tuitrain.training.cuda_graphs.graph import Update, capturable
from tuitrain.training.models.mlp import MLP
from tuitrain.training.optim.build import build_elementwise
from tuitrain.training.optim.fused import FusedStep
from tuitrain.training.setup import Setup


class StackedMLP:
    """The networks of `models`, which have neither batch normalisation nor dropout."""

    def __init__(self, models: Sequence[nn.Module], smoothing: float = 0.0) -> None:
        self.parameters = [_stack(those) for those in zip(*(model.parameters() for model in models), strict=True)]
        first = models[0]
        assert isinstance(first, MLP)
        self._activation = first.layers[1] if len(first.layers) else nn.Identity()
        self._smoothing = smoothing
        self._ones = torch.ones(len(models), device=self.parameters[0].device)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mini-batches, `images` (R, N, C, H, W) and `labels` (R, N) of R runs, to their mean losses (R,) and logits
        (R, N, K), without a graph; the gradients of the parameters are written anew."""
        values = images.flatten(2)
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for place, (weight, bias) in enumerate(pairs):
            if place:
                values = self._activation(values)
            values = _Linear.apply(values, weight, bias)
        losses = F.cross_entropy(
            values.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=self._smoothing
        )
        losses = losses.view(labels.shape).mean(1)
        torch.autograd.backward(losses, self._ones)
        return losses.detach(), values.detach()

    def norms(self) -> Tensor:
        """(R, L): of each network the Euclidean norms of its layers' gradients."""
        gradients = [cast(Tensor, parameter.grad).flatten(1) for parameter in self.parameters]
        single = [torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]
        return torch.stack(
            [torch.hypot(weight, bias) for weight, bias in zip(single[::2], single[1::2], strict=True)], 1
        )

    def clip(self, limit: float) -> None:
        """As `nn.utils.clip_grad_norm_` does it to each network."""
        factors = (limit / (torch.linalg.vector_norm(self.norms(), dim=1) + 1e-6)).clamp(max=1)
        for parameter in self.parameters:
            cast(Tensor, parameter.grad).mul_(factors.view(-1, *(1,) * (parameter.ndim - 1)))


class _Linear(torch.autograd.Function):
    """(R, N, in) to (R, N, out). The backward pass leaves the gradients of weight and bias where they stay, in the
    layout of the weights: what autograd makes of it is allocated at every step, and transposed."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: nn.Parameter, bias: nn.Parameter) -> Tensor:
        ctx.values, ctx.weight, ctx.bias = values, weight, bias
        return torch.baddbmm(bias.unsqueeze(1), values, weight.mT)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        torch.bmm(grad.mT, ctx.values, out=ctx.weight.grad)
        torch.sum(grad, 1, out=ctx.bias.grad)
        return grad.bmm(ctx.weight) if ctx.needs_input_grad[0] else None, None, None


def _stack(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One parameter for many (R, ...), which become views of it, as do their gradients."""
    stacked = nn.Parameter(torch.stack([parameter.detach() for parameter in parameters]))
    stacked.grad = torch.zeros_like(stacked)
    for place, parameter in enumerate(parameters):
        parameter.data, parameter.grad = stacked.data[place], stacked.grad[place]
    return stacked


class StackedOptimizer:
    """The optimizers of `setups`, in their order; neighbours of the same `keys`, which always have the same
    settings and learning rate, take their steps in one call."""

    def __init__(self, setups: Sequence[Setup], net: StackedMLP, keys: Sequence[object]) -> None:
        self._parts: list[_Part] = []
        for _, places in groupby(range(len(setups)), lambda place: keys[place]):
            several = list(places)
            self._parts.append(_Part(setups, net, slice(several[0], several[-1] + 1)))

    def step(self) -> None:
        """With the learning rates that stand in the setups' own optimizers."""
        for part in self._parts:
            part.step()

    @property
    def optimizers(self) -> list[optim.Optimizer]:
        return [part.optimizer for part in self._parts]

    @property
    def obstacle(self) -> str:
        """What a graph cannot hold, in the user's words; empty where it can hold all."""
        kinds = [type(part.optimizer).__name__.lower() for part in self._parts if not capturable(part.optimizer)]
        return f"optimizer.name = {kinds[0]}" if kinds else ""

    def set_rates(self) -> None:
        """Those of `update`, from the setups' own optimizers."""
        for part in self._parts:
            part.update.set_rate(part.rate)

    def update(self) -> None:
        """`step` as a graph can hold it where there is no `obstacle`, with what stands on the device."""
        for part in self._parts:
            part.update()
            part.share()


class _Part:
    def __init__(self, setups: Sequence[Setup], net: StackedMLP, places: slice) -> None:
        self._setups = setups[places]
        self._parameters = [_part(parameter, places) for parameter in net.parameters]
        self.optimizer = build_elementwise(self._setups[0].config.optimizer, self._parameters)
        for parameter, states in self._states():
            if states[0]:
                self.optimizer.state[parameter] = {name: _together(states, name) for name in states[0]}
        self._step, self.update, self._shared = FusedStep(self.optimizer), Update(self.optimizer), False

    @property
    def rate(self) -> float:
        return float(self._setups[0].optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        self.optimizer.param_groups[0]["lr"] = self.rate
        self._step()
        self.share()

    def share(self) -> None:
        """What the optimizer remembers, which exists after a step at the latest, becomes each run's own, too."""
        if self._shared:
            return
        for place, setup in enumerate(self._setups):
            for parameter, own in zip(self._parameters, setup.model.parameters(), strict=True):
                if parameter in self.optimizer.state:
                    setup.optimizer.state[own] = _own(self.optimizer.state[parameter], parameter.shape, place)
        self._shared = True

    def _states(self) -> list[tuple[nn.Parameter, list[dict[str, Any]]]]:
        """Each parameter, and what the runs' own optimizers remember of theirs."""
        own = [[setup.optimizer.state.get(one, {}) for one in setup.model.parameters()] for setup in self._setups]
        return list(zip(self._parameters, map(list, zip(*own, strict=True)), strict=True))


def _part(parameter: nn.Parameter, places: slice) -> nn.Parameter:
    part = nn.Parameter(parameter.data[places])
    assert parameter.grad is not None
    part.grad = parameter.grad[places]
    return part


def _together(states: Sequence[dict[str, Any]], name: str) -> Any:
    """Numbers of steps are the same for all."""
    first = states[0][name]
    if not isinstance(first, Tensor):
        return first
    return torch.stack([state[name] for state in states]) if first.ndim else first.clone()


def _own(state: dict[str, Any], shape: torch.Size, place: int) -> dict[str, Any]:
    return {
        name: value[place] if isinstance(value, Tensor) and value.shape == shape else value
        for name, value in state.items()
    }
