"""torchvision's architectures, untrained, made to fit small images of any number of channels."""

from collections import OrderedDict
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError
from tuitrain.training.models.activation import activation

# Up to this side the residual networks take their CIFAR form.
_SMALL = 64
_RESIDUAL = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d")

# The smallest side each architecture is given. Most halve the image five times, and 64 leaves them 2x2 positions: at
# 1x1 batch normalisation averages over the batch alone, and refuses a batch of one. vgg normalises before it halves.
_USUAL = 64
_LEAST = {**dict.fromkeys(_RESIDUAL, 16), "vgg11_bn": 32, "vgg16_bn": 32, "inception_v3": 107}

_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}
# Radosavovic et al. 2020, as torchvision has them.
_REGNETS: dict[str, dict[str, Any]] = {
    "regnet_x_400mf": {"depth": 22, "w_0": 24, "w_a": 24.48, "w_m": 2.54, "group_width": 16},
    "regnet_y_400mf": {"depth": 16, "w_0": 48, "w_a": 27.89, "w_m": 2.09, "group_width": 8, "se_ratio": 0.25},
}


class Enlarge(nn.Module):
    """Images `(N, C, H, W)` to `(N, C, *size)`, bilinear."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(images, self.size, mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        return f"{self.size[0]}, {self.size[1]}"


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Raises ConfigError where an activation is asked for and the architecture has no ReLU to give way to it."""
    channels, height, width = shape
    size = _size(config.name, height, width)
    network = _network(config.name, size, classes)
    _accept(network, channels)
    if config.name in _RESIDUAL and max(size) <= _SMALL:
        _small_stem(network, channels)
    if config.activation != "relu":
        _activate(network, config)
    if size == (height, width):
        return network
    return nn.Sequential(OrderedDict(enlarge=Enlarge(size), network=network))


def _size(name: str, height: int, width: int) -> tuple[int, int]:
    """The height and width that the network is given."""
    least = _LEAST.get(name, _USUAL)
    side = max(height, width, least)
    if name == "vit_b_16":
        side = _multiple(side, 16)
    elif name == "maxvit_t":
        side = _multiple(side, 64) if side <= 128 else _multiple(side, 224)
    else:
        return max(height, least), max(width, least)
    return side, side


def _multiple(side: int, of: int) -> int:
    """The smallest multiple that is not below `side`."""
    return -(-side // of) * of


def _network(name: str, size: tuple[int, int], classes: int) -> nn.Module:
    from torchvision import models

    if name == "maxvit_t":
        return _maxvit(size, classes)
    if name in _REGNETS:
        return _regnet(name, classes)
    options = {"image_size": size[0]} if name == "vit_b_16" else _OPTIONS.get(name, {})
    return cast(nn.Module, getattr(models, name)(weights=None, num_classes=classes, **options))


def _maxvit(size: tuple[int, int], classes: int) -> nn.Module:
    """maxvit_t with windows that divide the image: 7x7 as published, 4x4 at 128 pixels and 2x2 at 64."""
    from torchvision.models.maxvit import MaxVit

    network = MaxVit(
        input_size=size, stem_channels=64, partition_size=min(size[0] // 32, 7), block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2], head_dim=32, stochastic_depth_prob=0.2, num_classes=classes,
    )  # fmt: skip
    return cast(nn.Module, network)


def _regnet(name: str, classes: int) -> nn.Module:
    from torchvision.models.regnet import BlockParams, RegNet

    # torchvision works its widths out with tensors, which must not lie on the meta device.
    with torch.device("cpu"):
        params = BlockParams.from_init_params(**_REGNETS[name])
    return cast(nn.Module, RegNet(params, num_classes=classes, norm_layer=partial(nn.BatchNorm2d, eps=1e-5)))


def _accept(network: nn.Module, channels: int) -> None:
    """Gives the first convolution `channels` inputs, with PyTorch's default initialisation."""
    path, first = next((path, part) for path, part in network.named_modules() if isinstance(part, nn.Conv2d))
    if first.in_channels == channels:
        return
    parent, _, name = path.rpartition(".")
    fitting = nn.Conv2d(
        channels,
        first.out_channels,
        cast(tuple[int, int], first.kernel_size),
        cast(tuple[int, int], first.stride),
        cast(tuple[int, int], first.padding),
        bias=first.bias is not None,
    )
    setattr(network.get_submodule(parent), name, fitting)


def _small_stem(network: nn.Module, channels: int) -> None:
    """The stem of He et al. 2015, section 4.2: one 3x3 convolution that keeps the image's size."""
    stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.conv1, network.maxpool = stem, nn.Identity()


def _activate(network: nn.Module, config: Model) -> None:
    parents = [
        (parent, name)
        for parent in network.modules()
        for name, part in parent.named_children()
        if type(part) is nn.ReLU
    ]
    if not parents:
        raise ConfigError(
            f"model.activation = {config.activation} cannot be used with {config.name}, which has no ReLU to replace.",
            "Set model.activation to relu, which leaves the network as it is, or choose another model.",
            key="model.activation",
        )
    for parent, name in parents:
        setattr(parent, name, activation(config.activation))
