"""The weights of a run for other programs: safetensors, or a whole network as ONNX."""

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tuitrain import __version__
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain
from tuitrain.training import checkpoint, models
from tuitrain.training.progress import checkpoint_position


def export_weights(folder: RunFolder, which: str, path: Path) -> None:
    """The network's state_dict, under its own names. Raises RunError and OSError."""
    saved, about = _saved(folder, which)
    tensors = {name: tensor.contiguous() for name, tensor in saved["model"].items()}
    save_file(tensors, path, {"format": "pt", **about})


def export_onnx(folder: RunFolder, which: str, path: Path) -> None:
    """`images` (N, C, H, W) float32, normalised as the metadata say, to `logits` (N, classes), for any N. Raises
    RunError, ConfigError where an optional package is missing, and OSError."""
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"ONNX needs the package {package}.", 'Install it with: pip install "tuitrain[onnx]"')
    saved, about = _saved(folder, which)
    info = folder.info()
    model = models.build(folder.config().model, info.shape, len(info.classes))
    _fill(model, saved["model"], which)
    program = torch.onnx.export(
        model.eval(),
        (torch.zeros(2, *info.shape),),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    assert program is not None
    program.model.metadata_props.update(about)
    program.save(path)


def _fill(model: nn.Module, state: dict[str, Any], which: str) -> None:
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError):
        raise RunError(f"The checkpoint {which} holds another network's weights than this run's.") from None


def _saved(folder: RunFolder, which: str) -> tuple[checkpoint.State, dict[str, str]]:
    """The checkpoint, and in words what it is: texts alone, as both formats want them."""
    path = folder.checkpoints / f"{which}.safetensors"
    info, config, saved = folder.info(), folder.config(), checkpoint.load(path)
    if which == "last":
        epoch, _, step = checkpoint_position(saved, path)
    else:
        best = folder.state().best
        epoch, step = (best.epoch, best.step) if best else (0, 0)
    if not isinstance(saved.get("model"), dict) or not info.classes:
        raise RunError(f"The checkpoint {which} of {plain(folder.id)} is damaged: it holds no network.")
    about = {
        "run": folder.id, "name": info.name, "checkpoint": which, "epoch": epoch, "step": step, "model": info.model,
        "input": ["batch", *info.shape], "classes": info.classes, "normalization": _normalization(info.mean, info.std),
        "settings": flatten(config), "tuitrain": __version__,
    }  # fmt: skip
    return saved, {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


def _normalization(mean: list[float], std: list[float]) -> dict[str, Any]:
    """What is done to pixels before they are the network's input; mean and std are null where the run does not say."""
    return {"formula": "(pixel / white - mean) / std, a channel each, white: the largest value a pixel can have",
            "mean": mean or None, "std": std or None}  # fmt: skip
