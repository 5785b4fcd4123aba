"""Count the tensors that weights load into a network, without allocating the network."""

from pathlib import Path

import torch
from torch import nn

from tuitrain.config.code import is_spec
from tuitrain.config.schema import Model
from tuitrain.runs.records import WeightsInfo
from tuitrain.training.fine_tuning.head import network_in
from tuitrain.training.models import build
from tuitrain.training.models.user_model import check_output
from tuitrain.training.weights.load import counts, match_weights


def count_weights(config: Model, shape: tuple[int, int, int], classes: int, path: Path) -> WeightsInfo:
    """Return how many tensors of the file the network would load, create and skip. Raises ConfigError if the file does
    not belong to it."""
    network = network_in(_unallocated(config, shape, classes))
    return counts(match_weights(network, path), network.state_dict())


def _unallocated(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network on the meta device; the user's own on the CPU, because its code may need values."""
    if not is_spec(config.name):
        with torch.device("meta"):
            return build(config, shape, classes)
    with torch.random.fork_rng(devices=[]):
        network = build(config, shape, classes)
        check_output(config, network, shape, classes)
        return network
