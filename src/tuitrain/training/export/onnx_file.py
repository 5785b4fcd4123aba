"""Write a network as ONNX, and run the file."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from tuitrain.errors import ConfigError, RunError
from tuitrain.training.export.description import Description
from tuitrain.training.user_code import explained

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_packages() -> None:
    """Raise ConfigError if a package that ONNX needs is missing."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"ONNX needs the package {package}.", 'Install it with: pip install "tuitrain[onnx]"')


def save(program: ExportedProgram, description: Description, metadata: Mapping[str, str], path: Path) -> None:
    """Write a captured network to `path`, and weights above 1.5 GB to a file beside it. Raises RunError and OSError."""
    with explained("Converting the network to ONNX", RunError, "Export it as torch-export or safetensors."):
        converted = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=[description.input.name],
            output_names=[description.output.name],
            # Names the dimension, which is dynamic in the program.
            dynamic_shapes=({0: "batch"},),
        )
        assert converted is not None
        converted.model.metadata_props.update(metadata)
        converted.save(path)


def load(path: Path) -> Callable[[Tensor], Tensor]:
    """Return a function that runs the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Errors only.
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(None, {given.name: images.numpy()})
        return torch.from_numpy(logits)

    return run
