"""The multi-layer perceptron."""

import math

import torch
from torch import Tensor, nn

from tuitrain.config.schema import Model
from tuitrain.training.models.activation import activation


class MLP(nn.Module):
    """Linear, batch normalization, activation and dropout for each hidden width, then a linear head. Weights have
    PyTorch's default initialization. Without hidden layers, the network is softmax regression."""

    def __init__(self, config: Model, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        inputs = math.prod(shape)
        layers: list[nn.Module] = []
        for width in config.hidden:
            # Batch normalization has a bias of its own.
            layers.append(nn.Linear(inputs, width, bias=not config.batch_norm))
            if config.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(activation(config.activation))
            if config.dropout:
                layers.append(nn.Dropout(config.dropout))
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(torch.flatten(images, 1)))
        return logits
