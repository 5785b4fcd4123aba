"""Resolve the paths in a configuration, so that a run finds its files wherever it is resumed from."""

from pathlib import Path

from msgspec.structs import replace

from tuitrain.config.code import absolute_path, absolute_spec
from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.catalog.listing import find
from tuitrain.text import plain

RUN = "run:"


def with_absolute_paths(config: Config, runs_dir: Path) -> Config:
    """Return `config` with absolute paths. `model.weights = run:NAME` becomes the path of the best checkpoint of that
    run in `runs_dir`. Raise ConfigError if there is no such run or checkpoint."""
    weights = config.model.weights
    if weights and "://" in weights:
        raise ConfigError(
            f"model.weights = {plain(weights, 200)}: tuitrain does not download weights from an address.",
            "Download the file, then set model.weights to its path.",
            key="model.weights",
        )
    if weights and weights.startswith(RUN):
        weights = str(_checkpoint(weights.removeprefix(RUN).strip(), runs_dir))
    elif weights != "pretrained":
        weights = absolute_path(weights)
    model = replace(config.model, name=absolute_spec(config.model.name), weights=weights)
    return replace(config, data=absolute_data(config.data), model=model)


def absolute_data(data: Data) -> Data:
    return replace(
        data,
        dataset=absolute_spec(data.dataset),
        dir=absolute_path(data.dir),
        labels=absolute_path(data.labels),
        exclude=absolute_path(data.exclude),
        transform=absolute_path(data.transform),
    )


def _checkpoint(name: str, runs_dir: Path) -> Path:
    """Return the best checkpoint of a run, or the last one if it has no validation split."""
    if not name:
        raise ConfigError(
            f"model.weights = {RUN} names no run.",
            f"Set it to {RUN}NAME, the name or id of a run.",
            key="model.weights",
        )
    try:
        checkpoints = find(runs_dir, name).checkpoints
    except RunError as error:
        raise ConfigError(f"model.weights = {RUN}{plain(name, 80)}: {error}", key="model.weights") from None
    for file in ("best.safetensors", "last.safetensors"):
        if (checkpoints / file).is_file():
            return (checkpoints / file).absolute()
    raise ConfigError(f"model.weights = {RUN}{plain(name, 80)}: the run has no checkpoint.", key="model.weights")
