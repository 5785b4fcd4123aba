"""What a network is made of, without building it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tuitrain.config.schema import Model
from tuitrain.training.models import build

# Parameters and input values of a network that takes no noticeable memory and time to run once.
SMALL = 5_000_000


@dataclass(frozen=True)
class Layer:
    """`name` is the module's path, `kind` its class, `output` the shape of one sample's output."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """Layers in the order in which they run; their parameters add up to `parameters`."""

    title: str
    layers: tuple[Layer, ...]
    parameters: int


@dataclass
class _Calls:
    """The modules that a forward pass called, by path, in the order of their first call, with their outputs."""

    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def watch(self, path: str, module: nn.Module) -> None:
        module.register_forward_pre_hook(self._begin(path))
        module.register_forward_hook(self._end(path))

    def _begin(self, path: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, _inputs: self.outputs.update({path: self.outputs.get(path, ())})

    def _end(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            self.outputs[path] = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()

        return note


def title(config: Model, shape: tuple[int, int, int], classes: int) -> str:
    """One line: `mlp 784-128-256-10`, `cnn 1x28x28`, `resnet18`."""
    if config.name == "mlp":
        return "mlp " + "-".join(str(width) for width in (math.prod(shape), *config.hidden, classes))
    return f"cnn {shape[0]}x{shape[1]}x{shape[2]}" if config.name == "cnn" else config.name


def summarize(config: Model, shape: tuple[int, int, int], classes: int) -> Summary:
    """Runs the network on the meta device: no memory, no arithmetic, no random numbers. Raises ConfigError.

    Running there loads torch's compiler, which takes longer than loading torch. A small network of ours is built once
    more and runs on the CPU instead; that leaves no trace in the random numbers either.
    """
    calls = _Calls()
    with torch.device("meta"):
        model = build(config, shape, classes)
    device = "meta"
    if config.name in ("mlp", "cnn") and math.prod(shape) + sum(p.numel() for p in model.parameters()) <= SMALL:
        device = "cpu"
        with torch.random.fork_rng(devices=[]), torch.device(device):
            model = build(config, shape, classes)
    for path, module in model.eval().named_modules():
        calls.watch(path, module)
    with torch.no_grad():
        model(torch.empty(2, *shape, device=device))
    owned = _owned(model, calls.outputs)
    inner = {parent for path in calls.outputs for parent in _parents(path)}
    layers = tuple(
        Layer(path or config.name, type(model.get_submodule(path)).__name__, output, owned.get(path, 0))
        for path, output in calls.outputs.items()
        if path not in inner or path in owned
    )
    return Summary(title(config, shape, classes), layers, sum(owned.values()))


def _owned(model: nn.Module, called: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """How many parameters each called module has that no called module inside it has."""
    owned: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        path = next(parent for parent in _parents(name) if parent in called)
        owned[path] = owned.get(path, 0) + parameter.numel()
    return owned


def _parents(path: str) -> list[str]:
    """The paths above `path`, the nearest first, down to the model's own, which is empty."""
    parts = path.split(".") if path else []
    return [".".join(parts[:count]) for count in reversed(range(len(parts)))]


def gradient_layers(model: nn.Module) -> list[tuple[str, list[nn.Parameter]]]:
    """The layers that own a weight of two dimensions or more: each one's path, and its parameters.

    They come in the order in which the model declares them, which is the order of the forward pass.
    """
    layers = []
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if any(name.endswith("weight") and parameter.ndim >= 2 for name, parameter in own.items()):
            layers.append((path, list(own.values())))
    return layers
