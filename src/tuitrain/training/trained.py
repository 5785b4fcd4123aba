"""Build the network of a run and load its weights, without the data that it was trained on."""

from pathlib import Path

from torch import nn

from tuitrain.config.code import is_spec
from tuitrain.config.schema import Model
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain
from tuitrain.training import checkpoint, models
from tuitrain.training.models.user_model import check_output


def checkpoint_path(folder: RunFolder, which: str) -> Path:
    """Return the path of the checkpoint `which`, last or best."""
    return folder.checkpoints / f"{which}.safetensors"


def check_trained(folder: RunFolder) -> RunInfo:
    """Return the record of a run. Raise RunError if it was trained by another tool, or has not loaded its data."""
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} was trained by another tool and has no weights.")
    info = folder.info()
    if not info.classes or not 0 < info.shape[0] == len(info.mean) == len(info.std) or min(info.shape) < 1:
        raise RunError(f"{plain(folder.id)} ended before it had loaded its data.", "Resume it, or choose another run.")
    return info


def trained_network(config: Model, info: RunInfo, saved: checkpoint.State, path: Path) -> nn.Module:
    """Return the network with the weights of the checkpoint `saved`, which was loaded from `path`, on the CPU. Raise
    ConfigError and RunError."""
    model = models.build(config, info.shape, len(info.classes))
    if is_spec(config.name):
        check_output(config, model, info.shape, len(info.classes))  # Creates the parameters of lazy layers.
    checkpoint.load_weights(model, saved, path)
    return model
