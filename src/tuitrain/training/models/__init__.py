"""The networks: from a configuration to a module that gives logits."""

from torch import nn

from tuitrain.config.schema import Model
from tuitrain.training.models import torchvision_models
from tuitrain.training.models.cnn import CNN
from tuitrain.training.models.mlp import MLP


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network for images of `shape` (C, H, W): `(N, C, H, W) float32` to logits `(N, classes)`.

    Weights are drawn from torch's global generator, on the default device. Raises ConfigError where the
    settings ask for what the architecture does not have.
    """
    if config.name == "mlp":
        return MLP(config, shape, classes)
    if config.name == "cnn":
        return CNN(config, shape, classes)
    return torchvision_models.build(config, shape, classes)
