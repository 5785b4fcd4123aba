"""Checkpoints as safetensors files, which hold only numbers: loading one never executes code.

Tensors are stored under dotted names (`model.…`, `optimizer.…`, `rng.…`), everything else as JSON in the metadata.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tuitrain.errors import RunError
from tuitrain.files import check_own_folder, replace_by
from tuitrain.text import plain, size
from tuitrain.training.device import free_memory

State = dict[str, Any]
# What reading a state of the wrong structure raises.
INVALID = (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError)
# What reading a damaged file may raise. RuntimeError includes RecursionError.
_DAMAGE = (SafetensorError, OSError, RuntimeError, MemoryError, *INVALID)


def save(path: Path, state: State) -> None:
    """Write `state`, nested containers of tensors and plain values, to `path`. Raises OSError. The file is renamed into
    place: a crash or power failure leaves either the old checkpoint or the new one."""
    tensors: dict[str, Tensor] = {}
    tree = _flatten(state, "", tensors)
    check_own_folder(path.parent)
    metadata = {"state": msgspec.json.encode(tree).decode()}
    try:
        replace_by(lambda draft: save_file(tensors, draft, metadata), path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def load(path: Path) -> State:
    """Return the saved state, with its tensors on the CPU. Raises RunError if the file is missing or damaged."""
    if not path.is_file():
        raise RunError(f"The checkpoint {plain(path.name)} is missing in {plain(path.parent)}.")
    _check_readable(path)
    try:
        with safe_open(path, framework="pt") as file:
            tree = msgspec.json.decode((file.metadata() or {})["state"])
            state = _unflatten(tree, file.get_tensor)
    except _DAMAGE as error:
        raise RunError(f"The checkpoint {plain(path)} is damaged: {plain(error, 120)}.") from None
    if not isinstance(state, dict):
        raise RunError(f"The checkpoint {plain(path)} is damaged: it contains no state.")
    return state


def _check_readable(path: Path) -> None:
    """Raise RunError if the file cannot be opened, which safetensors reports as missing, or if its tensors are larger
    than the free memory."""
    try:
        with path.open("rb") as file:
            needed = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise RunError(f"The checkpoint {plain(path)} cannot be read: {error.strerror}.") from None
    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise RunError(
            f"The checkpoint {plain(path)} takes {size(needed)}, but only {size(free)} of memory are free.",
            "Is it damaged? Otherwise end other programs, or use a machine with more memory.",
        )


def load_weights(model: nn.Module, state: State, path: Path) -> None:
    """Load the weights of the checkpoint at `path`. Raises RunError if they are another model's."""
    try:
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError):
        raise RunError(f"The checkpoint {path.name} contains another model's weights.") from None


def position(state: State, path: Path) -> tuple[int, int, int]:
    """Return completed epochs, mini-batches of the current epoch and steps. Raises RunError if they are missing."""
    try:
        epoch, batch, step = (msgspec.convert(state["progress"][name], int) for name in ("epoch", "batch", "step"))
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} has no valid progress: {plain(error, 120)}.") from None
    return epoch, batch, step


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return `value` as JSON, with each tensor replaced by its name and added to `tensors`."""
    if isinstance(value, Tensor):
        # Clone: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, f"{name}.{key}".lstrip("."), tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]}
    return value


def _unflatten(value: Any, get_tensor: Callable[[str], Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return get_tensor(content)
    if kind == "list":
        return [_unflatten(item, get_tensor) for item in content]
    return {key: _unflatten(item, get_tensor) for key, item in content}


def rng_state(device: torch.device, *, of_user_code: bool = True) -> State:
    """Return the state of all random number generators that training may use, as tensors and plain numbers.

    Training itself draws from torch alone. The global generators of NumPy and Python matter only to the user's code;
    other threads, such as that of the screen, may draw from them at any time.
    """
    own = {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "mps": torch.mps.get_rng_state() if device.type == "mps" else None,
    }
    return own | (_user_rng_state() if of_user_code else {})


def _user_rng_state() -> State:
    _, words, index, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "numpy": [torch.from_numpy(np.asarray(words, dtype=np.int64)), index, has_gauss, cached],
        "python": [version, torch.tensor(internal, dtype=torch.int64), gauss],
    }


def set_rng_state(state: State, device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps" and state.get("mps") is not None:
        torch.mps.set_rng_state(state["mps"])
    if "numpy" in state:
        words, index, has_gauss, cached = state["numpy"]
        if index not in range(len(words) + 1):
            # NumPy would read beyond the words.
            raise ValueError(f"a random generator has the impossible index {index}")
        np.random.set_state(("MT19937", words.numpy().astype(np.uint32), index, has_gauss, cached))
    if "python" in state:
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal.tolist()), gauss))
