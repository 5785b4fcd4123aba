"""Summarize the layers of a network without allocating it."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tuitrain.config.code import is_spec, short_name
from tuitrain.config.schema import Model
from tuitrain.training.models import build
from tuitrain.training.models.user_model import check_output

# The largest number of parameters and input values for which a forward pass on the CPU takes no noticeable time.
SMALL = 5_000_000


@dataclass(frozen=True)
class Layer:
    """A layer: `name` is its module path, `kind` its class, `output` its output shape for one sample."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """A network: `layers` in the order of the forward pass; `parameters` is the sum of theirs."""

    title: str
    layers: tuple[Layer, ...]
    parameters: int


def title(config: Model, shape: tuple[int, int, int], classes: int) -> str:
    """Return a short name: `mlp 784-128-256-10`, `cnn 1x28x28`, `resnet18`."""
    if config.name == "mlp":
        return "mlp " + "-".join(str(width) for width in (math.prod(shape), *config.hidden, classes))
    return f"cnn {shape[0]}x{shape[1]}x{shape[2]}" if config.name == "cnn" else short_name(config.name)


def summarize(config: Model, shape: tuple[int, int, int], classes: int) -> Summary:
    """Summarize a network by a forward pass on the meta device: no memory, no arithmetic. Raises ConfigError.

    A forward pass on the meta device imports torch's compiler, which takes longer than importing torch. A small mlp or
    cnn therefore runs on the CPU. The random generators stay as they are.
    """
    if is_spec(config.name):
        return _summarize_users(config, shape, classes)
    with torch.device("meta"):
        model = build(config, shape, classes)
    device = "meta"
    if config.name in ("mlp", "cnn") and math.prod(shape) + sum(p.numel() for p in model.parameters()) <= SMALL:
        device = "cpu"
        with torch.random.fork_rng(devices=[]), torch.device(device):
            model = build(config, shape, classes)
    return _summary(config, model, torch.empty(2, *shape, device=device), classes)


def _summarize_users(config: Model, shape: tuple[int, int, int], classes: int) -> Summary:
    """Summarize the user's network on the CPU: its code may do what the meta device cannot."""
    with torch.random.fork_rng(devices=[]):
        model = build(config, shape, classes)
        check_output(config, model, shape, classes)
        return _summary(config, model, torch.rand(2, *shape), classes)


def _summary(config: Model, model: nn.Module, images: Tensor, classes: int) -> Summary:
    shape: tuple[int, int, int] = tuple(images.shape[1:])  # type: ignore[assignment]
    outputs = _outputs(model, images)
    owned = _owned(model, outputs)
    inner = {parent for path in outputs for parent in _parents(path)}
    layers = tuple(
        Layer(path or short_name(config.name), type(model.get_submodule(path)).__name__, output, owned.get(path, 0))
        for path, output in outputs.items()
        if path not in inner or path in owned
    )
    return Summary(title(config, shape, classes), layers, sum(owned.values()))


def _outputs(model: nn.Module, images: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the output shapes of all modules that a forward pass calls, by path, in the order of the calls."""
    outputs: dict[str, tuple[int, ...]] = {}

    def begin(path: str, *_: Any) -> None:
        outputs.setdefault(path, ())

    def end(path: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        outputs[path] = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()

    for path, module in model.eval().named_modules():
        module.register_forward_pre_hook(partial(begin, path))
        module.register_forward_hook(partial(end, path))
    with torch.no_grad():
        model(images)
    return outputs


def _owned(model: nn.Module, called: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the number of parameters of each called module, without those of called modules inside it."""
    owned: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        path = next((parent for parent in _parents(name) if parent in called), "")
        owned[path] = owned.get(path, 0) + parameter.numel()
    return owned


def _parents(path: str) -> list[str]:
    """Return the parent paths of `path`, nearest first; the last is that of the model, an empty string."""
    parts = path.split(".") if path else []
    return [".".join(parts[:count]) for count in reversed(range(len(parts)))]
