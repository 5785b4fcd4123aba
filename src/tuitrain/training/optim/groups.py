"""Divide the trainable parameters into groups with a learning rate and a weight decay of their own."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from tuitrain.config.schema import Config
from tuitrain.training.fine_tuning.head import head_names, is_in, network_in

Group = dict[str, Any]
# The factor of a group's learning rate; absent: 1.
SCALE = "lr_scale"


def parameter_groups(config: Config, model: nn.Module, *, heads: bool = True, backbone: bool = True) -> list[Group]:
    """Return the optimizer's groups of the trainable parameters of `model`, of its classifier, the rest, or both.

    Parameters with an equal learning rate and weight decay share a group, in the order of the model.
    """
    network = network_in(model)
    paths, scales = head_names(network), layer_scales(network, config.finetune.layer_decay)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        in_head = is_in(name, paths)
        if not parameter.requires_grad or not (heads if in_head else backbone):
            continue
        scale = config.finetune.head_lr if in_head else scales.get(name, 1.0)
        decay = config.optimizer.weight_decay
        if not config.optimizer.decay_norms and (parameter.ndim <= 1 or name.endswith(".bias")):
            decay = 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    return [{"params": found, SCALE: scale, "weight_decay": decay} for (scale, decay), found in groups.items()]


def describe_rates(config: Config, model: nn.Module) -> str:
    """Return the learning rates of layers and classifier in words; empty if `finetune` does not change them."""
    network, finetune, lr = network_in(model), config.finetune, config.optimizer.lr
    paths, parts = head_names(network), []
    scales = layer_scales(network, finetune.layer_decay) if finetune.freeze == "none" else {}
    if below := [scale for name, scale in scales.items() if not is_in(name, paths)]:
        parts.append(f"{lr * min(below):.3g} in the first layer to {lr * max(below):.3g} in the last one")
    if parts or finetune.head_lr != 1:
        parts.append(f"{lr * finetune.head_lr:.3g} in the classifier")
    return ", ".join(parts)


def layer_scales(network: nn.Module, decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter: 1 in the last layers, `decay` times less for each layer
    below (Clark et al. 2020, "ELECTRA"; Bao et al. 2021, "BEiT"). Empty without a decay."""
    if decay == 1:
        return {}
    layers = list(_layers(network))
    return {name: decay ** (len(layers) - 1 - depth) for depth, names in enumerate(layers) for name in names}


def _layers(network: nn.Module) -> Iterator[list[str]]:
    """Yield the names of the parameters of each layer, from the images to the logits."""
    group_matcher: Any = getattr(network, "group_matcher", None)
    if group_matcher:
        from timm.models import group_parameters

        matcher = group_matcher(coarse=False)
        yield from (names for _, names in sorted(group_parameters(network, matcher).items()))
        return
    layers: dict[str, list[str]] = {}
    for name, _ in network.named_parameters():
        layers.setdefault(_layer(network, name), []).append(name)
    yield from layers.values()


def _layer(network: nn.Module, name: str) -> str:
    """Return the path of the layer of a parameter: a child of the network, or a member of a child that is a list."""
    first, _, rest = name.partition(".")
    child = getattr(network, first)
    if isinstance(child, (nn.Sequential, nn.ModuleList)) and len(child) > 1:
        return f"{first}.{rest.partition('.')[0]}"
    return first
