"""Take values that a script logs without waiting for the GPU, and turn them into numbers later, in another thread."""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tuitrain.runs.scripts.records import LONGEST_NAME

# Nested dictionaries beyond this depth are ignored.
DEEPEST = 8


class OnDevice:
    """A copy of a tensor of one element that is not on the CPU. A later change of the tensor does not change it."""

    __slots__ = ("_copied", "_copy")

    def __init__(self, tensor: Any) -> None:
        self._copy = tensor.detach().clone()
        self._copied = None
        if tensor.is_cuda:
            self._copied = sys.modules["torch"].cuda.current_stream(tensor.device).record_event()

    def read(self) -> float:
        """Wait for the copy, but not for the work that the script has given to the device since."""
        if self._copied is None:
            return float(self._copy.item())
        cuda = sys.modules["torch"].cuda
        self._copied.synchronize()
        with cuda.stream(_stream(self._copy.device)):
            return float(self._copy.item())


_streams: dict[Any, Any] = {}


def _stream(device: Any) -> Any:
    if device not in _streams:
        _streams[device] = sys.modules["torch"].cuda.Stream(device)
    return _streams[device]


Value = float | int | OnDevice


def take(value: Any) -> Value | None:
    """Return a value that the script can no longer change, or None if it is not a single number."""
    if isinstance(value, (float, int)):
        return to_float(value)
    if hasattr(value, "detach") and hasattr(value, "numel"):
        if value.numel() != 1 or value.is_complex():
            return None
        return to_float(value.item()) if value.device.type == "cpu" else OnDevice(value)
    # Arrays of NumPy and JAX.
    if hasattr(value, "item"):
        if getattr(value, "size", 1) != 1:
            return None
        value = value.item()
    # Text is no number, although float() may accept it.
    return to_float(value) if hasattr(value, "__float__") else None


def read_value(value: Value) -> float:
    return value.read() if isinstance(value, OnDevice) else to_float(value)


def to_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        # A whole number beyond the largest float.
        return math.inf if value > 0 else -math.inf


def flatten(data: Mapping[Any, Any], separator: str, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dictionaries, with their names joined by `separator`."""
    for name, value in data.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from flatten(value, separator, f"{path}{separator}", depth + 1)
        else:
            yield path, value


def clean_text(text: object, longest: int) -> str:
    """Return text that can be stored as JSON, without half characters, cut to `longest` characters."""
    clean = str(text).encode("utf-8", "replace").decode()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def clean_name(name: object) -> str:
    """Return the name of a metric or setting as it is stored: never empty."""
    return clean_text(name, LONGEST_NAME) or "unnamed"
