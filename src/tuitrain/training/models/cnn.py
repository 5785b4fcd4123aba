"""A small convolutional network for images of 8x8 to some 64x64 pixels."""

from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor, nn

from tuitrain.config.schema import Model
from tuitrain.training.models.activation import activation

_WIDTHS = (16, 32, 64, 128)


class CNN(nn.Module):
    """Stages of 3x3 convolutions that each end with 2x2 max pooling, then dropout and a linear head.

    Each stage halves the image. `model.channels` sets the channels of the stages. By default there are at least two
    stages, and more until a side is below 8 pixels, with 16, 32, 64 and then 128 channels: 28x28 ends as 32x7x7, 32x32
    as 64x4x4.
    """

    def __init__(self, config: Model, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        stages: list[nn.Module] = []
        for out in config.channels or _default_channels(height, width):
            stages.append(_stage(config, channels, out))
            channels, height, width = out, (height + 1) // 2, (width + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(torch.flatten(self.stages(images), 1)))
        return logits


def _default_channels(height: int, width: int) -> Iterator[int]:
    for stage in count():
        if stage >= 2 and min(height, width) < 8:
            return
        yield _WIDTHS[min(stage, len(_WIDTHS) - 1)]
        height, width = (height + 1) // 2, (width + 1) // 2


def _stage(config: Model, channels: int, out: int) -> nn.Module:
    layers: list[nn.Module] = []
    for number, inputs in enumerate((channels, *(out,) * (config.convolutions - 1)), 1):
        layers.append(nn.Conv2d(inputs, out, 3, padding=1, bias=not config.batch_norm))
        if number == config.convolutions:
            # Pooling before the activation saves three quarters of its cost. Odd sides round up, so any image size
            # works.
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        if config.batch_norm:
            layers.append(nn.BatchNorm2d(out))
        layers.append(activation(config.activation))
    return nn.Sequential(*layers)
