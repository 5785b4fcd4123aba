"""torchvision's architectures, adapted to small images and any number of channels."""

from collections import OrderedDict
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError
from tuitrain.training.models.activation import activation

# Residual networks use their CIFAR stem for images up to this size.
_MAX_CIFAR_SIZE = 64
_RESIDUAL = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d")

# The minimum image size of each architecture. Most of them halve the image five times, which leaves 2x2 positions of
# 64. With 1x1, batch normalization has only one value per image, and fails for a batch of one. vgg normalizes before
# halving.
_DEFAULT_MIN_SIZE = 64
_MIN_SIZES = {**dict.fromkeys(_RESIDUAL, 16), "vgg11_bn": 32, "vgg16_bn": 32, "inception_v3": 107}

_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}
# Radosavovic et al. 2020, "Designing Network Design Spaces", with the parameters of torchvision.
_REGNETS: dict[str, dict[str, Any]] = {
    "regnet_x_400mf": {"depth": 22, "w_0": 24, "w_a": 24.48, "w_m": 2.54, "group_width": 16},
    "regnet_y_400mf": {"depth": 16, "w_0": 48, "w_a": 27.89, "w_m": 2.09, "group_width": 8, "se_ratio": 0.25},
}


class Enlarge(nn.Upsample):
    """Resizes images `(N, C, H, W)` to `(N, C, *size)`. The preview of the network shows the name of this class."""


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build a torchvision network. Raises ConfigError if it has no ReLU that `model.activation` could replace."""
    channels, height, width = shape
    size = _size(config.name, height, width)
    network = _network(config.name, size, classes, transform_input=bool(config.weights) and channels == 3)
    _set_input_channels(network, channels)
    # Pretrained networks keep the stem that their weights belong to.
    if config.name in _RESIDUAL and max(size) <= _MAX_CIFAR_SIZE and not config.weights:
        _use_cifar_stem(network, channels)
    if config.activation != "relu" and not config.weights:
        _replace_activations(network, config)
    if size == (height, width):
        return network
    return nn.Sequential(OrderedDict(enlarge=Enlarge(size, mode="bilinear"), network=network))


def _size(name: str, height: int, width: int) -> tuple[int, int]:
    """Return the height and width that images are enlarged to."""
    min_size = _MIN_SIZES.get(name, _DEFAULT_MIN_SIZE)
    side = max(height, width, min_size)
    if name == "vit_b_16":
        side = _round_up(side, 16)
    elif name == "maxvit_t":
        side = _round_up(side, 64) if side <= 128 else _round_up(side, 224)
    else:
        return max(height, min_size), max(width, min_size)
    return side, side


def _round_up(side: int, divisor: int) -> int:
    return -(-side // divisor) * divisor


def _network(name: str, size: tuple[int, int], classes: int, *, transform_input: bool) -> nn.Module:
    from torchvision import models

    if name == "maxvit_t":
        return _maxvit(size, classes)
    if name in _REGNETS:
        return _regnet(name, classes)
    options = {"image_size": size[0]} if name == "vit_b_16" else _OPTIONS.get(name, {})
    if name in _OPTIONS:
        # The weights of these networks expect another normalization, to which they convert that of ImageNet.
        options = options | {"transform_input": transform_input}
    return cast(nn.Module, getattr(models, name)(weights=None, num_classes=classes, **options))


def _maxvit(size: tuple[int, int], classes: int) -> nn.Module:
    """Build maxvit_t with windows that divide the image: 7x7 as published, 4x4 for 128 pixels and 2x2 for 64."""
    from torchvision.models.maxvit import MaxVit

    network = MaxVit(
        input_size=size, stem_channels=64, partition_size=min(size[0] // 32, 7), block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2], head_dim=32, stochastic_depth_prob=0.2, num_classes=classes,
    )  # fmt: skip
    return cast(nn.Module, network)


def _regnet(name: str, classes: int) -> nn.Module:
    from torchvision.models.regnet import BlockParams, RegNet

    # torchvision computes the widths with tensors, which must not be on the meta device.
    with torch.device("cpu"):
        params = BlockParams.from_init_params(**_REGNETS[name])
    return cast(nn.Module, RegNet(params, num_classes=classes, norm_layer=partial(nn.BatchNorm2d, eps=1e-5)))


def _set_input_channels(network: nn.Module, channels: int) -> None:
    """Give the first convolution `channels` inputs and PyTorch's default initialization."""
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    if first.in_channels != channels:
        first.in_channels = channels
        first.weight = nn.Parameter(torch.empty(first.out_channels, channels, *first.kernel_size))
        first.reset_parameters()


def _use_cifar_stem(network: nn.Module, channels: int) -> None:
    """Use the stem of He et al. 2015, section 4.2: one 3x3 convolution that keeps the image size."""
    stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.conv1, network.maxpool = stem, nn.Identity()


def _replace_activations(network: nn.Module, config: Model) -> None:
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
