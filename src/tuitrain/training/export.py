"""Export the weights of a run as safetensors, or its whole model as ONNX."""

import importlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from tuitrain import __version__
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training.trained import checkpoint_path, trained_network
from tuitrain.training.user_code import explained


def export_weights(folder: RunFolder, which: str, path: Path) -> None:
    """Write the model's `state_dict` to `path` as safetensors, with metadata. Raises RunError and OSError."""
    saved, metadata = _load(folder, which)
    tensors = {name: tensor.contiguous() for name, tensor in saved["model"].items()}
    save_file(tensors, path, {"format": "pt", **metadata})


def export_onnx(folder: RunFolder, which: str, path: Path) -> None:
    """Write the model to `path` as ONNX. Raises RunError, ConfigError if an optional package is missing, and OSError.

    Its input is `images` (N, C, H, W) float32 for any N, normalized as the metadata describe; its output is `logits`
    (N, classes).
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"ONNX needs the package {package}.", 'Install it with: pip install "tuitrain[onnx]"')
    saved, metadata = _load(folder, which)
    info = folder.info()
    model = trained_network(folder.config().model, info, saved, checkpoint_path(folder, which))
    with explained("Exporting the network", RunError, "Export it as safetensors."):
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
    program.model.metadata_props.update(metadata)
    program.save(path)


def _load(folder: RunFolder, which: str) -> tuple[checkpoint.State, dict[str, str]]:
    """Return the checkpoint `which` ("last" or "best") and its metadata, all strings, as both formats require."""
    path = checkpoint_path(folder, which)
    info, config, saved = folder.info(), folder.config(), checkpoint.load(path)
    if which == "last":
        epoch, _, step = checkpoint.position(saved, path)
    else:
        best = folder.state().best
        epoch, step = (best.epoch, best.step) if best else (0, 0)
    if not isinstance(saved.get("model"), dict) or not info.classes:
        raise RunError(f"The checkpoint {which} of {plain(folder.id)} is damaged: it contains no model.")
    # mean and std are null if the run does not record them.
    formula = "(pixel / white - mean) / std per channel; white is the largest pixel value"
    normalization = {"formula": formula, "mean": info.mean or None, "std": info.std or None}
    metadata = {
        "run": folder.id, "name": info.name, "checkpoint": which, "epoch": epoch, "step": step, "model": info.model,
        "input": ["batch", *info.shape], "classes": info.classes, "normalization": normalization,
        "settings": flatten(config), "tuitrain": __version__,
    }  # fmt: skip
    return saved, {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
