"""timm's architectures, for any image size and number of channels. Importing timm takes seconds."""

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tuitrain.config.networks import TIMM, check_network
from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError
from tuitrain.text import plain
from tuitrain.training.fine_tuning.head import head_names


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build a network of timm with random weights. Raises ConfigError if timm lacks it, or cannot build it for images
    of `shape` (C, H, W)."""
    check_network(config.name)
    import timm

    # timm logs to stderr, over the screen of the app.
    logging.getLogger("timm").setLevel(logging.ERROR)
    name, (channels, height, width) = config.name.removeprefix(TIMM), shape
    try:
        with _LinspaceOnCPU():
            model: nn.Module = timm.create_model(name, num_classes=classes, **shape_options(name, shape))
    except Exception as error:  # timm's architectures raise many kinds of exceptions.
        raise ConfigError(
            f"{config.name} cannot be built for images of {channels}x{height}x{width}: {plain(error, 200)}.",
            "Set data.image_size to auto, or choose another network.",
            key="model.name",
        ) from error
    if config.dropout:
        _drop_out_features(model, config.dropout)
    return model


class _LinspaceOnCPU(TorchFunctionMode):
    """Lets timm 1.0.20 build transformers on the meta device: it reads the values of `torch.linspace`."""

    def __torch_function__(
        self, function: Any, _types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        options = dict(options or {})
        if function is torch.linspace:
            options.setdefault("device", "cpu")
        return function(*arguments, **options)


def shape_options(name: str, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the arguments of `timm.create_model` that adapt the network to images of `shape` (C, H, W)."""
    channels, height, width = shape
    pretrained = pretrained_config(name)
    options: dict[str, Any] = {"in_chans": channels}
    if pretrained.get("fixed_input_size") and tuple(pretrained.get("input_size", ())[1:]) != (height, width):
        options["img_size"] = (height, width)
    return options


def _drop_out_features(model: nn.Module, probability: float) -> None:
    """Add dropout before the classifier. timm's own follows the mode of the network, and must act on the features of a
    frozen one, too."""

    def drop_out(head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (F.dropout(inputs[0], probability, head.training), *inputs[1:])

    for path in head_names(model):
        model.get_submodule(path).register_forward_pre_hook(drop_out)


def pretrained_config(name: str) -> dict[str, Any]:
    """Return what timm knows about the pretrained weights of `name`, which may end with the tag of one of several.
    Raises ConfigError if there is no such tag."""
    from timm.models import get_pretrained_cfg, list_pretrained

    architecture, _, tag = name.partition(".")
    try:
        found = get_pretrained_cfg(name)
        return dict(found.to_dict()) if found else {}  # type: ignore[no-untyped-call]
    except RuntimeError:
        tags = [known.partition(".")[2] for known in list_pretrained(f"{architecture}.*")]
        raise ConfigError(
            f"timm has no weights {plain(tag, 60)!r} for {architecture}.",
            f"It has {', '.join(tags)}." if tags else "Choose the network without a tag.",
            key="model.name",
        ) from None
