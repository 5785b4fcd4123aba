"""Preview the weights that training begins with."""

from functools import lru_cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.schema import Config, Model
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.paths import with_absolute_paths
from tuitrain.runs.checkpoint_facts import run_of, weights_of
from tuitrain.runs.records import WeightsInfo


class InitialWeights(Struct, frozen=True):
    """Facts about the weights in the file `path`; pretrained: of a library. `info` describes the images that they were
    trained on, and has the numbers of tensors once they are `counted`. `network` and `run` are those of a run's
    checkpoint. Weights that are `missing` must be downloaded first."""

    path: str
    info: WeightsInfo = WeightsInfo()
    network: str = ""
    run: str = ""
    counted: bool = False
    missing: bool = False


def initial_weights(config: Config, runs_dir: Path) -> InitialWeights | None:
    """Return what is known about the weights without torch; None for random weights. Raises ConfigError."""
    path = with_absolute_paths(config, runs_dir).model.weights
    if path is None:
        return None
    try:
        info = run_of(Path(path))
    except RunError as error:
        raise ConfigError(f"model.weights: {error}", key="model.weights") from None
    return InitialWeights(path, weights_of(info), info.model, info.name) if info else InitialWeights(path)


def with_facts(weights: InitialWeights, model: Model) -> InitialWeights:
    """Add the facts that the library of the network knows, or that the weights are missing; loads torch. Raises
    ConfigError."""
    from tuitrain.training.weights.find import find_weights

    found = find_weights(replace(model, weights=weights.path), lambda *_: None, download=False)
    if found is None:
        return replace(weights, missing=True)
    return replace(weights, path=str(found.path), info=found.info)


def with_counts(
    weights: InitialWeights, model: Model, shape: tuple[int, int, int], classes: int, digest: str
) -> InitialWeights:
    """Add the numbers of tensors that the network loads, creates and skips. Raises ConfigError if the weights belong to
    another network."""
    if weights.missing:
        return weights
    status = Path(weights.path).stat()
    found = _counts(model, shape, classes, weights.path, (digest, status.st_mtime_ns, status.st_size))
    info = replace(weights.info, loaded=found.loaded, created=found.created, skipped=found.skipped)
    return replace(weights, info=info, counted=True)


@lru_cache(maxsize=16)
def _counts(model: Model, shape: tuple[int, int, int], classes: int, path: str, _version: object) -> WeightsInfo:
    """Return the counts of tensors. `_version` changes with the files of the user's code and of the weights, which make
    another cache entry then."""
    from tuitrain.training.weights.count import count_weights

    return count_weights(model, shape, classes, Path(path))
