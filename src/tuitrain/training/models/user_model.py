"""The user's own network, from a function or class in a Python file."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tuitrain.config.arguments import arguments
from tuitrain.config.code import MODEL, described, hint, is_spec
from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError, DataError
from tuitrain.text import plain
from tuitrain.training.user_code import check_arguments, explained, load_function

# Images of the forward pass that checks a network.
_BATCH = 2


def build(config: Model, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Call the user's function with `classes`, `channels`, `image_size` (a number, or height and width if they differ)
    and [model.args], and return the network. Raises ConfigError, which names the user's line."""
    channels, height, width = shape
    given = {"classes": classes, "channels": channels, "image_size": height if height == width else (height, width)}
    given |= arguments(config.args)
    with _as_config_error():
        function = load_function(config.name, MODEL)
        check_arguments(function, given, described(config.name))
        with explained(described(config.name), DataError):
            network = function(**given)
        if not isinstance(network, nn.Module):
            raise DataError(
                f"{described(config.name)} returned a {_kind(network)}, but must return an nn.Module.", hint(MODEL)
            )
    return network


def check_output(config: Model, network: nn.Module, shape: tuple[int, int, int], classes: int) -> None:
    """Pass two random images through the user's network, in eval mode, and leave all else as it is. Raises ConfigError
    if it fails or does not return logits `(N, classes)`, or if it has nothing to train."""
    parameters = [*network.parameters(), *network.buffers()]
    device = parameters[0].device if parameters else torch.device("cpu")
    devices = [device] if device.type == "cuda" else []
    was_training = network.training
    with torch.random.fork_rng(devices=devices), torch.no_grad(), _as_config_error():
        images = torch.rand(_BATCH, *shape, device=device)
        with explained(f"The forward pass of {described(config.name)} on images {tuple(images.shape)}", DataError):
            logits = network.eval()(images)
        network.train(was_training)
        _check_logits(logits, (_BATCH, classes), described(config.name))
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise DataError(f"{described(config.name)} has no parameters to train.", hint(MODEL))


def _check_logits(logits: object, expected: tuple[int, int], what: str) -> None:
    wanted = f"but must return logits {expected}: one for each image and class"
    if not isinstance(logits, Tensor):
        raise DataError(f"The forward pass of {what} returned a {_kind(logits)}, {wanted}.")
    if tuple(logits.shape) != expected or not logits.is_floating_point():
        kind = "" if logits.is_floating_point() else f"{logits.dtype} "
        raise DataError(f"The forward pass of {what} returned {kind}{tuple(logits.shape)}, {wanted}.")


def is_users(config: Model) -> bool:
    return is_spec(config.name)


def _kind(value: object) -> str:
    return plain(type(value).__name__, 80)


@contextmanager
def _as_config_error() -> Iterator[None]:
    """Name `model.name` as the setting to correct."""
    try:
        yield
    except DataError as error:
        raise ConfigError(error.message, error.hint, key=MODEL) from error.__cause__
