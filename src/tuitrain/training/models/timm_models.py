"""timm's architectures, for any image size and number of channels. Importing timm takes seconds."""

import logging
from typing import Any

from torch import nn

from tuitrain.config.networks import TIMM, check_network
from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError
from tuitrain.text import plain


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build a network of timm with random weights. Raises ConfigError if timm lacks it, or cannot build it for images
    of `shape` (C, H, W)."""
    check_network(config.name)
    import timm

    # timm logs to stderr, over the screen of the app.
    logging.getLogger("timm").setLevel(logging.ERROR)
    name, (channels, height, width) = config.name.removeprefix(TIMM), shape
    pretrained = pretrained_config(name)
    options: dict[str, Any] = {}
    if pretrained.get("fixed_input_size") and tuple(pretrained.get("input_size", ())[1:]) != (height, width):
        options["img_size"] = (height, width)
    try:
        # drop_rate is the dropout before the classifier.
        return timm.create_model(name, num_classes=classes, in_chans=channels, drop_rate=config.dropout, **options)
    except Exception as error:  # timm's architectures raise many kinds of exceptions.
        raise ConfigError(
            f"{config.name} cannot be built for images of {channels}x{height}x{width}: {plain(error, 200)}.",
            "Set data.image_size to auto, or choose another network.",
            key="model.name",
        ) from error


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
