"""Build the network of a configuration."""

from torch import nn

from tuitrain.config.code import is_spec
from tuitrain.config.networks import TIMM
from tuitrain.config.schema import Model
from tuitrain.training.models import timm_models, torchvision_models, user_model
from tuitrain.training.models.cnn import CNN
from tuitrain.training.models.mlp import MLP


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a network from images `(N, C, H, W) float32` of `shape` (C, H, W) to logits `(N, classes)`.

    Initial weights come from torch's global generator, on the default device. Raises ConfigError if the architecture
    does not support a setting.
    """
    if is_spec(config.name):
        return user_model.build(config, shape, classes)
    if config.name == "mlp":
        return MLP(config, shape, classes)
    if config.name == "cnn":
        return CNN(config, shape, classes)
    if config.name.startswith(TIMM):
        return timm_models.build(config, shape, classes)
    return torchvision_models.build(config, shape, classes)
