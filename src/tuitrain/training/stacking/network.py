"""Stack MLPs of the same shape, so that one kernel computes a layer for all of them.

The parameters, gradients and optimizer state of each network become views of the stacked tensors.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from tuitrain.training.cuda_graphs.graph import OptimizerStep, is_capturable
from tuitrain.training.models.mlp import MLP
from tuitrain.training.optim.build import build_elementwise
from tuitrain.training.optim.fused import FusedStep
from tuitrain.training.setup import Setup


class StackedMLP:
    """R MLPs as one. `models` must have the same shape, and neither batch normalization nor dropout."""

    def __init__(self, models: Sequence[nn.Module], smoothing: float = 0.0) -> None:
        self.parameters = [_stack(layer) for layer in zip(*(model.parameters() for model in models), strict=True)]
        first = models[0]
        assert isinstance(first, MLP)
        self._activation = first.layers[1] if len(first.layers) else nn.Identity()
        self._smoothing = smoothing
        self._ones = torch.ones(len(models), device=self.parameters[0].device)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of one mini-batch per run, `images` (R, N, C, H, W) and `labels` (R, N). Return the
        mean losses (R,) and the logits (R, N, K), both detached."""
        values = images.flatten(2)
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for layer, (weight, bias) in enumerate(pairs):
            if layer:
                values = self._activation(values)
            values = _Linear.apply(values, weight, bias)
        losses = F.cross_entropy(
            values.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=self._smoothing
        )
        losses = losses.view(labels.shape).mean(1)
        torch.autograd.backward(losses, self._ones)
        return losses.detach(), values.detach()

    def norms(self) -> Tensor:
        """Return the Euclidean norm of the gradient of each layer of each network, (R, L)."""
        gradients = [cast(Tensor, parameter.grad).flatten(1) for parameter in self.parameters]
        tensor_norms = [torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]
        return torch.stack(
            [torch.hypot(weight, bias) for weight, bias in zip(tensor_norms[::2], tensor_norms[1::2], strict=True)], 1
        )

    def clip(self, limit: float) -> None:
        """Clip the gradient norm of each network as `nn.utils.clip_grad_norm_` does."""
        factors = (limit / (torch.linalg.vector_norm(self.norms(), dim=1) + 1e-6)).clamp(max=1)
        for parameter in self.parameters:
            cast(Tensor, parameter.grad).mul_(factors.view(-1, *(1,) * (parameter.ndim - 1)))


class _Linear(torch.autograd.Function):
    """A linear layer of R networks, (R, N, in) to (R, N, out). The backward pass writes the gradients of weight and
    bias in place, in the layout of the weights. Autograd would allocate them at every step, transposed."""

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
    """Return one parameter (R, ...) and make `parameters` and their gradients views of it."""
    stacked = nn.Parameter(torch.stack([parameter.detach() for parameter in parameters]))
    stacked.grad = torch.zeros_like(stacked)
    for index, parameter in enumerate(parameters):
        parameter.data, parameter.grad = stacked.data[index], stacked.grad[index]
    return stacked


class StackedOptimizer:
    """Step the optimizers of all `setups`, those of neighbors with equal `keys` in one call. Runs with equal keys
    always have the same optimizer settings and learning rate."""

    def __init__(self, setups: Sequence[Setup], net: StackedMLP, keys: Sequence[object]) -> None:
        self._parts: list[_Part] = []
        for _, group in groupby(range(len(setups)), lambda index: keys[index]):
            indices = list(group)
            self._parts.append(_Part(setups, net, slice(indices[0], indices[-1] + 1)))

    def step(self) -> None:
        """Take a step with the current learning rate of each setup's optimizer."""
        for part in self._parts:
            part.step()

    @property
    def optimizers(self) -> list[optim.Optimizer]:
        return [part.optimizer for part in self._parts]

    @property
    def capture_obstacle(self) -> str:
        """The setting that prevents capturing the step as a CUDA graph, or an empty string."""
        names = [type(part.optimizer).__name__.lower() for part in self._parts if not is_capturable(part.optimizer)]
        return f"optimizer.name = {names[0]}" if names else ""

    def set_lrs(self) -> None:
        """Copy the learning rate of each setup's optimizer to the tensor that `capturable_step` reads."""
        for part in self._parts:
            part.capturable_step.set_lr(part.lr)

    def capturable_step(self) -> None:
        """Take a step that a CUDA graph can capture, with the learning rates of the last `set_lrs`."""
        for part in self._parts:
            part.capturable_step()
            part.share_state()


class _Part:
    """The optimizer of a slice of the stack."""

    def __init__(self, setups: Sequence[Setup], net: StackedMLP, part: slice) -> None:
        self._setups = setups[part]
        parameters = [_slice(parameter, part) for parameter in net.parameters]
        own = zip(*(setup.model.parameters() for setup in self._setups), strict=True)
        # Each stacked parameter with those of the runs.
        self._parameters = list(zip(parameters, own, strict=True))
        self.optimizer = build_elementwise(self._setups[0].config.optimizer, parameters)
        for parameter, run_parameters in self._parameters:
            states = [
                setup.optimizer.state.get(one, {}) for setup, one in zip(self._setups, run_parameters, strict=True)
            ]
            if states[0]:
                self.optimizer.state[parameter] = {name: _stack_state(states, name) for name in states[0]}
        self._step, self.capturable_step = FusedStep(self.optimizer), OptimizerStep(self.optimizer)
        self._state_shared = False

    @property
    def lr(self) -> float:
        return float(self._setups[0].optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        self.optimizer.param_groups[0]["lr"] = self.lr
        self._step()
        self.share_state()

    def share_state(self) -> None:
        """Make the state of each run's optimizer a view of the stacked state, which exists after the first step."""
        if self._state_shared:
            return
        for parameter, run_parameters in self._parameters:
            if parameter in self.optimizer.state:
                state = self.optimizer.state[parameter]
                for index, (setup, one) in enumerate(zip(self._setups, run_parameters, strict=True)):
                    setup.optimizer.state[one] = _state_of(state, parameter.shape, index)
        self._state_shared = True


def _slice(parameter: nn.Parameter, part: slice) -> nn.Parameter:
    sliced = nn.Parameter(parameter.data[part])
    assert parameter.grad is not None
    sliced.grad = parameter.grad[part]
    return sliced


def _stack_state(states: Sequence[dict[str, Any]], name: str) -> Any:
    """Stack a tensor of the state; a step count is the same for all runs and stays a single value."""
    first = states[0][name]
    if not isinstance(first, Tensor):
        return first
    return torch.stack([state[name] for state in states]) if first.ndim else first.clone()


def _state_of(state: dict[str, Any], shape: torch.Size, index: int) -> dict[str, Any]:
    return {
        name: value[index] if isinstance(value, Tensor) and value.shape == shape else value
        for name, value in state.items()
    }
