"""Read the tensors in a file of weights. Reading never executes what the file contains."""

import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tuitrain.errors import ConfigError, RunError
from tuitrain.text import plain
from tuitrain.training import checkpoint

# Training scripts store weights under these keys; averaged weights come first, as in timm.
_PLACES = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "params")
# Wrappers of torch.compile and DistributedDataParallel put these before each name.
_PREFIXES = ("_orig_mod.", "module.")
# How torch names a function or class that it refuses to import.
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
# Tensors listed in an error.
_NAMED = 4


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors in the file by name, on the CPU. Raises ConfigError if it cannot be read, is damaged or is a
    pickle that would execute code."""
    try:
        state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except RunError as error:
        raise ConfigError(f"model.weights: {error}", key="model.weights") from None
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, MemoryError) as error:
        reason = plain(error, 120).strip() or "it ends too early"
        raise _unusable(path, f"is damaged or not a file of weights: {reason.rstrip('.')}") from error
    tensors = {_without_prefixes(name): value for name, value in _unwrapped(state).items() if isinstance(value, Tensor)}
    if not tensors:
        raise _unusable(path, "contains no tensors")
    broken = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        listed = ", ".join(plain(name, 80) for name in broken[:_NAMED])
        raise _unusable(path, f"contains NaN or infinite values in {listed}{', …' if len(broken) > _NAMED else ''}")
    return tensors


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_safetensors(path: Path) -> Any:
    with safe_open(path, framework="pt") as file:
        if "state" not in (file.metadata() or {}):
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return checkpoint.load(path)


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        unknown = "it is no checkpoint of PyTorch, or contains code to run, which is not allowed"
        raise ValueError(_refused_global(error) or unknown) from error


def _refused_global(error: Exception) -> str:
    """Return which function or class the pickle asks for, or an empty string if it asks for none."""
    found = _GLOBAL.search(str(error))
    return f"it contains code to run, which is not allowed ({plain(found[1], 60)})" if found else ""


def _unwrapped(state: Any) -> dict[str, Any]:
    for place in _PLACES:
        if isinstance(state, dict) and isinstance(state.get(place), dict):
            return dict(state[place])
    return state if isinstance(state, dict) else {}


def _without_prefixes(name: object) -> str:
    text = str(name)
    for prefix in _PREFIXES * 2:
        text = text.removeprefix(prefix)
    return text


def _unusable(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"model.weights: {plain(path, 300)} {reason}.", key="model.weights")
