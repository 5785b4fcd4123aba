"""Load weights from a file into a network."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor, nn

from tuitrain.errors import ConfigError
from tuitrain.runs.records import WeightsInfo
from tuitrain.text import plain
from tuitrain.training.fine_tuning.head import head_names, is_in, network_in
from tuitrain.training.weights.file import read_weights, sha256
from tuitrain.training.weights.find import WeightsFile

# Names listed in an error.
_NAMED = 4
# Classifiers that torchvision's networks have only for training from scratch.
_AUXILIARY = ("aux1", "aux2", "AuxLogits")


class Match(NamedTuple):
    """The tensors to load into a network, by name, and the names of those that it must create and of those in the file
    that it does not need."""

    tensors: dict[str, Tensor]
    created: list[str]
    skipped: list[str]


def load_initial_weights(model: nn.Module, weights: WeightsFile, source: str) -> WeightsInfo:
    """Load the weights into `model`, on the CPU, and return what became of them. `source` is `model.weights`.

    A classifier of other classes starts at zero, as that of BiT (Kolesnikov et al. 2020): the initialization of some
    networks is far too large for one. A first convolution with other channels is adapted. Raises ConfigError if any
    other tensor is missing, left over or of another shape.
    """
    network = network_in(model)
    match, wanted = match_weights(network, weights.path), network.state_dict()
    with torch.no_grad():
        for name in match.created:
            wanted[name].zero_()
    network.load_state_dict(match.tensors, strict=False)
    counted = counts(match, wanted)
    return replace(
        weights.info,
        source=source,
        file=weights.path.name,
        sha256=sha256(weights.path),
        loaded=counted.loaded,
        created=counted.created,
        skipped=counted.skipped,
    )


def counts(match: Match, wanted: Collection[str]) -> WeightsInfo:
    """Return the numbers of tensors that a network with the tensors `wanted` loads, creates and skips."""
    return WeightsInfo(loaded=len(wanted) - len(match.created), created=len(match.created), skipped=len(match.skipped))


def match_weights(network: nn.Module, path: Path) -> Match:
    """Compare the tensors in the file with those of the network. Raises ConfigError if they do not fit."""
    wanted, heads = network.state_dict(), head_names(network)
    given = _as_named_by(network, _without_enlargement(read_weights(path), wanted))
    _adapt_channels(network, given)
    in_head = [name for name in wanted if is_in(name, heads)]
    head_fits = all(name in given and given[name].shape == wanted[name].shape for name in in_head)
    if not head_fits:
        given = {name: value for name, value in given.items() if not is_in(name, heads)}
    created = [] if head_fits else in_head
    skipped = _check_match(given, {name: wanted[name] for name in wanted if name not in created}, path)
    return Match({name: value for name, value in given.items() if name in wanted}, created, skipped)


def _without_enlargement(given: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefix of networks whose images are enlarged from the names in a checkpoint of a run."""
    if given.keys() & wanted.keys() or not all(name.startswith("network.") for name in given):
        return given
    return {name.removeprefix("network."): value for name, value in given.items()}


def _as_named_by(network: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape tensors of an architecture's original release as timm does."""
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if not hasattr(network, "pretrained_cfg") or convert is None:
        return given
    try:
        return dict(convert(given, network))
    except (KeyError, RuntimeError, AttributeError, ValueError, IndexError):
        # The tensors belong to another network; the comparison of names reports it.
        return given


def _adapt_channels(network: nn.Module, given: dict[str, Tensor]) -> None:
    """Adapt the weight of the first convolution to the number of channels of the images, as timm does."""
    first = next(((path, part) for path, part in network.named_modules() if isinstance(part, nn.Conv2d)), None)
    if first is None:
        return
    name, wanted = f"{first[0]}.weight", first[1].weight
    weight = given.get(name)
    if weight is None or weight.ndim != 4 or weight.shape[1] == wanted.shape[1] or weight.shape[1] != 3:
        return
    channels = wanted.shape[1]
    # The weights of more channels are repeated, and scaled so that the sum over all channels stays the same.
    repeated = weight.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)
    given[name] = weight.float().sum(1, keepdim=True).to(weight.dtype) if channels == 1 else repeated


def _check_match(given: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> list[str]:
    """Return the names of tensors that the network does not need. Raises ConfigError if others do not match."""
    missing = [name for name, value in wanted.items() if name not in given and value.dtype.is_floating_point]
    other = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    extra = [name for name in given if name not in wanted]
    left_over = [name for name in extra if given[name].is_floating_point() and name.partition(".")[0] not in _AUXILIARY]
    problems = {
        "are missing": missing,
        "have another shape": [f"{name} {_shape(given[name])}, not {_shape(wanted[name])}" for name in other],
        "are not part of the network": left_over,
    }
    for problem, names in problems.items():
        if names:
            listed = ", ".join(plain(name, 80) for name in names[:_NAMED])
            raise ConfigError(
                f"model.weights: {plain(path.name, 100)} does not belong to this network: {len(names):,} of its tensors"
                f" {problem}: {listed}{', …' if len(names) > _NAMED else ''}.",
                "Set model.name to the network of the weights"
                + (", or data.image_size to the size that they were trained on." if other else "."),
                key="model.weights",
            )
    return extra


def _shape(tensor: Tensor | torch.Size) -> str:
    return "x".join(map(str, tensor.shape if isinstance(tensor, Tensor) else tensor)) or "scalar"
