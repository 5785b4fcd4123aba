"""Compare the memory that a network needs with the free memory before building the network."""

import torch
from torch import nn

from tuitrain.config.code import is_spec
from tuitrain.config.optimizer_state import tensors_per_parameter
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.text import size
from tuitrain.training import models
from tuitrain.training.device import free_memory
from tuitrain.training.fine_tuning.freeze import freeze_backbone, trains_backbone
from tuitrain.training.optim.muon import hidden_matrices

# The setting that makes a network smaller; for torchvision's networks, model.name.
_SIZE_KEYS = {"mlp": "model.hidden", "cnn": "model.channels"}


def check_network_fits(config: Config, shape: tuple[int, int, int], classes: int, device: torch.device) -> None:
    """Raise ConfigError if weights, gradients and optimizer state exceed the free memory of the device, or if a
    checkpoint, which copies weights and state, exceeds the free main memory. Ignore activations, which depend on the
    batch size."""
    if is_spec(config.model.name):
        return  # Its size is known once it is built: see `check_parameters_fit`.
    with torch.device("meta"):
        model = models.build(config.model, shape, classes)
    check_parameters_fit(config, model, device)


def check_parameters_fit(config: Config, model: nn.Module, device: torch.device) -> None:
    """Raise the ConfigError of `check_network_fits` for a network that may be on any device."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    copied, gradients = kept_bytes(config, model)
    trained, cpu = copied + gradients, torch.device("cpu")
    needs = [(device, trained), (cpu, copied)] if device.type == "cuda" else [(cpu, trained + copied)]
    for place, needed in needs:
        free = free_memory(place)
        if needed > free:
            key = _SIZE_KEYS.get(config.model.name, "model.name")
            raise ConfigError(
                f"{key}: the network has {parameters:,} parameters and needs {size(needed)} on {place}"
                f" with gradients, {config.optimizer.name}'s state and a checkpoint, but {size(free)} are free.",
                "Choose a smaller network.",
                key=key,
            )


def kept_bytes(config: Config, model: nn.Module) -> tuple[int, int]:
    """Return the bytes of weights, optimizer state and average, which a checkpoint contains, and those of the
    gradients, in the epochs that train the most. `model` may be on any device, and is frozen if it never trains."""
    if not trains_backbone(config):
        freeze_backbone(model)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters() if parameter.requires_grad}
    weights = sum(parameter.numel() for parameter in model.parameters())
    state = (tensors_per_parameter(config.optimizer) - 1) * sum(sizes.values())
    if config.optimizer.name == "muon":
        # Muon keeps one tensor where AdamW keeps two.
        state -= sum(sizes[name] for name in hidden_matrices(model))
    average = weights if config.training.ema else 0
    return 4 * (weights + state + average), 4 * sum(sizes.values())
