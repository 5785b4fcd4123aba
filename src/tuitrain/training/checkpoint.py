"""Checkpoints: safetensors files, which hold numbers only, so that loading one never executes anything.

Tensors are stored under dotted names (`model.…`, `optimizer.…`, `rng.…`), everything else as JSON in the metadata.
"""

import os
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tuitrain.errors import RunError
from tuitrain.runs.files import sync_folder
from tuitrain.text import plain

State = dict[str, Any]


def save(path: Path, state: State) -> None:
    """Written beside and renamed, so that `path` is the old checkpoint or the new one, also after a power cut. Raises
    OSError."""
    tensors: dict[str, Tensor] = {}
    rest = _flatten(state, "", tensors)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_file(tensors, temporary, {"state": msgspec.json.encode(rest).decode()})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise error if isinstance(error, OSError) else OSError(str(error)) from error
    sync_folder(path.parent)


def load(path: Path, device: torch.device | str = "cpu") -> State:
    """What was saved. Raises RunError where the file is missing or damaged."""
    if not path.is_file():
        raise RunError(f"There is no checkpoint {plain(path.name)} in {plain(path.parent)}.")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            rest = msgspec.json.decode((file.metadata() or {})["state"])
            state = _unflatten(rest, file.get_tensor)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise RunError(f"The checkpoint {plain(path)} is damaged: {plain(error, 120)}.") from None
    if not isinstance(state, dict):
        raise RunError(f"The checkpoint {plain(path)} is damaged: it holds no state.")
    return state


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value with each tensor moved to `tensors` and named in its place."""
    if isinstance(value, Tensor):
        # A clone: safetensors refuses tensors that share memory, and the loop goes on changing these.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, f"{name}.{key}".lstrip("."), tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]}
    return value


def _unflatten(value: Any, tensor: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "list":
        return [_unflatten(item, tensor) for item in content]
    return {key: _unflatten(item, tensor) for key, item in content}


def rng_state(device: torch.device) -> State:
    """The state of every generator that training may draw from."""
    _, words, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "mps": torch.mps.get_rng_state() if device.type == "mps" else None,
        "numpy": [torch.from_numpy(np.asarray(words, dtype=np.int64)), position, has_gauss, cached],
        "python": [version, torch.tensor(internal, dtype=torch.int64), gauss],
    }


def set_rng_state(state: State, device: torch.device) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if device.type == "mps" and state.get("mps") is not None:
        torch.mps.set_rng_state(state["mps"].cpu())
    words, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", words.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss))
