"""The predictions of an evaluation: the probabilities of all classes for every image, in a NumPy archive."""

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuitrain.errors import RunError
from tuitrain.files import open_to_read, replace
from tuitrain.text import plain

# The arrays of one file, in bytes: the probabilities of 500,000 images of 1,000 classes.
LARGEST = 2**30
# Each float16 as float32, by its bits: NumPy converts small numbers, as of many classes, in four times the time.
_FLOATS = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
# The bits of 1 and infinity as float16, and all bits but the sign.
_ONE, _INFINITY, _WITHOUT_SIGN = 0x3C00, 0x7C00, 0x7FFF
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, LookupError, TypeError, SyntaxError,
    RuntimeError, MemoryError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of the weights after `step` for N images of K classes, in the order of the split.

    `labels` (N,) int64 are the true classes, and `rounded` (N, K) float16 the probabilities as the file stores them.
    `names` are the paths of the images relative to `data.dir`, or their indices in the split; from a file they are not
    yet safe to show, see `tuitrain.text.plain`.
    """

    labels: NDArray[np.int64]
    rounded: NDArray[np.float16]
    names: Sequence[str]
    step: int = 0

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """The probabilities (N, K), divided by their sum, which rounding changed. A row is NaN if the output of the
        network was not finite."""
        values: NDArray[np.float32] = _FLOATS[self.rounded.view(np.uint16)]
        with np.errstate(invalid="ignore"):
            values /= values.sum(1, keepdims=True)
        return values

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable classes (N,)."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(1)
        return predicted

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """The probabilities of the predicted classes, (N,)."""
        highest: NDArray[np.float32] = self.probabilities.max(1)
        return highest

    def write(self, path: Path) -> bool:
        """Replace the file, which `numpy.load` reads without pickle. Return False, and write nothing, if the arrays
        would take more than `LARGEST` bytes. Raises OSError."""
        longest = max(map(len, self.names), default=0)
        if self.rounded.nbytes + len(self.names) * (4 * longest + 2) > LARGEST:
            return False
        content = BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            _add(archive, "labels", self.labels.astype(np.uint16))
            # Compressing probabilities takes 25 times as long as writing them, and saves an eighth of the space.
            _add(archive, "probabilities", self.rounded)
            _add(archive, "names", np.array(self.names, dtype=np.str_), zipfile.ZIP_DEFLATED)
            _add(archive, "step", np.array(self.step, dtype=np.int64))
        replace(path, content.getvalue())
        return True


def keep_most_probable(rounded: NDArray[np.float16], predicted: NDArray[np.int64]) -> None:
    """Let the classes `predicted` (N,) remain the most probable ones of `rounded` (N, K), where rounding has made
    another class equally probable."""
    # Numbers from 0 to 1 have the order of their bits, and NumPy compares integers ten times as fast.
    tied = np.flatnonzero(rounded.view(np.int16).argmax(1) != predicted)
    rounded[tied, predicted[tied]] = np.nextafter(rounded[tied].max(1, initial=0), np.float16(1))


def _add(archive: zipfile.ZipFile, name: str, array: NDArray[Any], method: int = zipfile.ZIP_STORED) -> None:
    member = zipfile.ZipInfo(f"{name}.npy")
    member.compress_type = method
    with archive.open(member, "w") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def read(path: Path) -> Predictions:
    """Read the predictions. Raises RunError if the file is missing or damaged."""
    try:
        with open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            predictions = _decode(archive)
    except FileNotFoundError:
        raise RunError(f"{plain(path.name)} is missing.", "Make it with: tuitrain evaluate RUN") from None
    except OSError as error:
        raise RunError(f"{plain(path.name)} cannot be read: {error.strerror or plain(error, 120)}.") from None
    except _DAMAGED as error:
        reason = plain(error, 120).rstrip(".") or type(error).__name__
        raise RunError(
            f"{plain(path.name)} is damaged: {reason}.", "Make it again with: tuitrain evaluate RUN"
        ) from None
    return predictions


def _decode(archive: zipfile.ZipFile) -> Predictions:
    """Return the content of the archive. Raises one of `_DAMAGED`."""
    if (size := sum(member.file_size for member in archive.infolist())) > LARGEST:
        raise ValueError(f"its arrays take {size / 2**30:.1f} GiB, more than {LARGEST // 2**30} GiB")
    labels, rounded, names, step = (_array(archive, name) for name in ("labels", "probabilities", "names", "step"))
    if [array.dtype.kind for array in (labels, names, step)] != ["u", "U", "i"] or rounded.dtype != np.float16:
        raise ValueError("its arrays have other types than tuitrain writes")
    if (
        rounded.ndim != 2
        or not rounded.shape[1]
        or labels.shape != names.shape
        or labels.shape != rounded.shape[:1]
        or step.shape
    ):
        raise ValueError("its arrays do not have the same number of images")
    if labels.size and int(labels.max()) >= rounded.shape[1]:
        raise ValueError(f"it has {rounded.shape[1]:,} classes, but an image of class {labels.max()}")
    bits = rounded.view(np.uint16)
    if ((bits > _ONE) & (bits & _WITHOUT_SIGN <= _INFINITY)).any():
        raise ValueError("its probabilities are not numbers from 0 to 1")
    return Predictions(labels.astype(np.int64), rounded, tuple(names.tolist()), int(step))


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return an array of the archive. NumPy would first allocate the memory that a damaged header asks for."""
    content = BytesIO(archive.read(f"{name}.npy"))
    if np.lib.format.read_magic(content) != (1, 0):
        raise ValueError(f"{name}.npy has an unknown version")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
    rest = content.getbuffer()[content.tell() :]
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"{name}.npy has another size than its header says")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if by_column else "C")
