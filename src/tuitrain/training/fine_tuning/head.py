"""Find the classifier of a network, the layer that outputs the logits, and the features that it receives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def network_in(model: nn.Module) -> nn.Module:
    """Return the network without the layer that enlarges its images."""
    if isinstance(model, nn.Sequential) and [name for name, _ in model.named_children()] == ["enlarge", "network"]:
        return model[1]
    return model


def head_names(network: nn.Module) -> tuple[str, ...]:
    """Return the module paths of the classifier; some of timm's networks have two. For networks that do not name it,
    it is the last linear or convolutional layer."""
    config: Any = getattr(network, "pretrained_cfg", None)
    if config and config.get("classifier"):
        names = config["classifier"]
        names = (names,) if isinstance(names, str) else tuple(names)
        if all(_has(network, name) for name in names):
            return names
    layers = [name for name, part in network.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    return tuple(layers[-1:])


def _has(network: nn.Module, path: str) -> bool:
    try:
        return not isinstance(network.get_submodule(path), nn.Identity)
    except AttributeError:
        return False


def is_in(name: str, paths: tuple[str, ...]) -> bool:
    """Return whether the parameter `name` belongs to one of the modules `paths`."""
    return any(name.startswith(f"{path}.") for path in paths)


@contextmanager
def inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Gather the inputs of a module during the body of the `with` statement."""
    inputs: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach()))
    try:
        yield inputs
    finally:
        handle.remove()
