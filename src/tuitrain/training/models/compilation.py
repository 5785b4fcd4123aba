"""Compile the forward pass of a network."""

import importlib.util
import os
import shutil
from typing import cast

import torch
from torch import nn

from tuitrain.errors import ConfigError

# The programs that torch tries as a C++ compiler, beside $CXX.
_COMPILERS = ("g++", "clang++", "c++")


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the compiled `model`, which has the same weights; `model` itself stays as it is, for evaluations and
    checkpoints. The first step of each batch size compiles. Raises ConfigError if the machine has no compiler."""
    if problem := _problem(device):
        raise ConfigError(
            f"training.compile = true needs {problem}, which this machine lacks.",
            "Install it, or set training.compile to false.",
            key="training.compile",
        )
    # With dynamic shapes, the kernels of a resumed run would depend on the batch that it begins with.
    return cast(nn.Module, torch.compile(model, dynamic=False))


def _problem(device: torch.device) -> str:
    """Return what is missing to compile for the device, or an empty string."""
    own = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ((own,) if own else _COMPILERS)):
        return "a C++ compiler such as g++"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "the package triton"
    return ""
