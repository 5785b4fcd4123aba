"""Capture a network with `torch.export`, for any number of images per batch."""

import sys
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from tuitrain.config.exports import Values
from tuitrain.errors import RunError
from tuitrain.text import plain
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.export.description import Input
from tuitrain.training.export.trained import Trained
from tuitrain.training.user_code import line_of

# Images of the example that the network is captured with; torch treats batches of 0 and 1 specially.
_BATCH = 2
_ADVICE = "Export it as safetensors."
# What torch's messages mean, by a part of them.
_REASONS = {
    "specialized it to be a constant": "its forward pass fixes the number of images per batch",
    "data-dependent": "its forward pass branches on the values of the images",
    "Data-dependent": "its forward pass branches on the values of the images",
}


class FromPixels(nn.Module):
    """A network whose input are pixels (N, C, H, W): uint8, or floats from 0 to 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, normalization: Normalization, values: Values) -> None:
        super().__init__()
        self.network = network
        self.white = normalization.white if values == "uint8" else 1
        self.register_buffer("mean", torch.tensor(normalization.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(normalization.std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((images.float() / self.white - self.mean) / self.std)
        return logits


def with_input(trained: Trained, values: Values) -> nn.Module:
    """Return the network with an input of these values."""
    if values == "normalized":
        return trained.network
    assert trained.normalization is not None
    return FromPixels(trained.network, trained.normalization, values).eval()


def _length(value: Sized) -> int:
    """Return `len(value)`, for a tensor as a symbol where its size is one: Python's own returns the example's size."""
    return value.shape[0] if isinstance(value, Tensor) and value.ndim else len(value)


@contextmanager
def _symbolic_len(network: nn.Module) -> Iterator[None]:
    """Let the code of the network's classes call `_length` in place of `len`, so that `len(images)` may vary."""
    names = {type(part).__module__ for part in network.modules()}
    modules = [vars(sys.modules[name]) for name in names if name in sys.modules and not name.startswith("torch.")]
    modules = [module for module in modules if "len" not in module]
    for module in modules:
        module["len"] = _length
    try:
        yield
    finally:
        for module in modules:
            del module["len"]


def capture(network: nn.Module, given: Input) -> ExportedProgram:
    """Capture the network. Raises RunError with the reason if that is impossible."""
    _, channels, height, width = map(str, given.shape)
    shape = (_BATCH, int(channels), int(height), int(width))
    images, batch = torch.zeros(shape, dtype=getattr(torch, given.type)), Dim("batch")
    failure: Exception | None = None
    for strict in (False, True):
        try:
            with warnings.catch_warnings(), _symbolic_len(network), torch.no_grad():
                warnings.simplefilter("ignore")
                return torch.export.export(network, (images,), dynamic_shapes=({0: batch},), strict=strict)
        except Exception as error:  # A network, and torch, may raise any kind of exception.
            failure = failure or error
    assert failure is not None
    raise RunError(f"The network cannot be exported: {_reason(failure)}{line_of(failure)}.", _ADVICE) from failure


def _reason(error: Exception) -> str:
    text = str(error)
    known = next((reason for part, reason in _REASONS.items() if part in text), "")
    return known or plain(f"{type(error).__name__}: {text.strip().partition(chr(10))[0]}", 200).rstrip(".: ")


def save(program: ExportedProgram, path: Path, description: bytes) -> None:
    """Write the program as .pt2; `description` becomes its extra file description.json. Raises OSError."""
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"description.json": description.decode()})


def load(path: Path) -> nn.Module:
    return torch.export.load(path).module()
