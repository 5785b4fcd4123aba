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
    copied = 4 * parameters * tensors_per_parameter(config.optimizer)
    trained = copied + 4 * parameters
    cpu = torch.device("cpu")
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
