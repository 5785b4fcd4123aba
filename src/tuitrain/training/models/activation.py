"""Activations by their names in the configuration."""

from torch import nn

from tuitrain.config.schema import Activation

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky-relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
}


def activation(name: Activation) -> nn.Module:
    return _ACTIVATIONS[name]()
