"""Find the file that `model.weights` names, and the facts about its weights."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuitrain.config.code import is_spec
from tuitrain.config.networks import TIMM
from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.checkpoint_facts import run_of, weights_of
from tuitrain.runs.records import WeightsInfo
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress
from tuitrain.training.models.timm_models import pretrained_config
from tuitrain.training.weights.download import from_hub, from_url

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_KEY = "model.weights"


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights; `info` describes the images that they were trained on."""

    path: Path
    info: WeightsInfo


def find_weights(config: Model, progress: Progress, *, download: bool = True) -> WeightsFile | None:
    """Return the weights that the configuration names, downloaded if necessary, or None for random weights. Without
    `download`, return None, too, for weights that are not on this machine yet. Raises ConfigError."""
    if not config.weights:
        return None
    if config.weights == "pretrained":
        return _pretrained(config, progress, download=download)
    path = Path(os.path.expanduser(config.weights))  # noqa: PTH111 (Path.expanduser refuses an unknown user)
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"model.weights = {plain(config.weights, 200)} is not allowed: it must be none, pretrained, run:NAME or a"
            f" file that ends with {', '.join(SUFFIXES)}.",
            key=_KEY,
        )
    if not path.is_file():
        raise ConfigError(f"model.weights: there is no file {plain(path, 300)}.", key=_KEY)
    return WeightsFile(path, _run_facts(path) or _facts(config))


def _pretrained(config: Model, progress: Progress, *, download: bool) -> WeightsFile | None:
    if config.name in ("mlp", "cnn") or is_spec(config.name):
        raise ConfigError(
            f"There are no pretrained weights of {plain(config.name)}.",
            "Choose a network of torchvision or timm, or set model.weights to none, a file or run:NAME.",
            key=_KEY,
        )
    if config.name.startswith(TIMM):
        known = pretrained_config(config.name.removeprefix(TIMM))
        if known.get("hf_hub_id"):
            path = from_hub(config.name, known["hf_hub_id"], known.get("hf_hub_filename"), progress, download)
        elif known.get("url"):
            path = from_url(config.name, known["url"], progress, download)
        else:
            raise ConfigError(
                f"timm has no pretrained weights of {config.name.removeprefix(TIMM)}.",
                "Choose another network, or set model.weights to none, a file or run:NAME.",
                key=_KEY,
            )
    else:
        path = from_url(config.name, _torchvision_weights(config.name).url, progress, download)
    return WeightsFile(path, _facts(config)) if path else None


def _facts(config: Model) -> WeightsInfo:
    """Return what timm or torchvision know about the weights of the network."""
    if config.name.startswith(TIMM):
        known = pretrained_config(config.name.removeprefix(TIMM))
        return WeightsInfo(
            size=known["input_size"][1],
            mean=tuple(known["mean"]),
            std=tuple(known["std"]),
            crop=known.get("crop_pct") or 1.0,
            interpolation=known.get("interpolation") or "bilinear",
        )
    if config.name in ("mlp", "cnn") or is_spec(config.name):
        return WeightsInfo()
    images = _torchvision_weights(config.name).transforms()
    (size,), (resized,) = images.crop_size, images.resize_size
    return WeightsInfo(
        size=size,
        mean=tuple(images.mean),
        std=tuple(images.std),
        crop=size / resized,
        interpolation=images.interpolation.value,
    )


def _torchvision_weights(name: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(name).DEFAULT


def _run_facts(path: Path) -> WeightsInfo | None:
    """Return what a run records about the images of its checkpoint at `path`; None for other files."""
    try:
        info = run_of(path)
    except RunError as error:
        raise ConfigError(f"model.weights: {error}", key=_KEY) from None
    return weights_of(info) if info else None
