"""Decide which height and width images have for the network."""

from tuitrain.config.code import is_spec
from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.networks import default_image_size
from tuitrain.config.schema import Config


def image_size(config: Config, known: int = 0) -> int:
    """Return the height and width that `data.image_size` means for the data set. auto: the `known` size, that of the
    images which the weights were trained on, or else that of the network. 0: the images of a built-in data set keep
    their size."""
    data, model = config.data, config.model
    built_in = data.dataset in DATASETS
    if built_in and not data.resize_builtin:
        return 0
    if data.image_size != "auto":
        return data.image_size
    if built_in and not known and (not model.weights or model.name in ("mlp", "cnn") or is_spec(model.name)):
        return 0
    return known or default_image_size(model.name, model.weights)


def sized(shape: tuple[int, int, int], size: int) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of images that are resized to `size`; 0: they keep their size."""
    return (shape[0], size, size) if size else shape
