"""Read SVHN, STL-10, USPS and EMNIST from the files that torchvision downloads."""

import bz2
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress
from tuitrain.training.data.download import download_missing
from tuitrain.training.data.normalize import Pixels

_HINT = "Delete it and start again: tuitrain then downloads it again."
Array = np.ndarray[Any, np.dtype[Any]]


def read_arrays(name: str, root: Path, progress: Progress) -> tuple[Pixels, Pixels]:
    """Return the training and test images (N, C, H, W) of a data set whose name is in `READERS`. Raises DataError."""
    files, read = READERS[name]
    download_missing(name, partial(_download, name), root, files, [], progress)
    parts = []
    for pair in _pairs(files):
        try:
            images, labels = read(*(root / file for file in pair))
            parts.append(Pixels(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))))
        except Exception as error:  # SciPy and NumPy raise many kinds of exceptions for damaged files.
            reason = plain(f"{type(error).__name__}: {error}", 120)
            raise DataError(f"{plain(root / pair[0])} is damaged or cut short ({reason}).", _HINT) from error
    train, test = parts
    return train, test


def _pairs(files: tuple[str, ...]) -> list[tuple[str, ...]]:
    half = len(files) // 2
    return [files[:half], files[half:]]


def _download(name: str, folder: str, *, download: bool) -> None:
    from torchvision import datasets

    if name in ("svhn", "stl10"):
        source = {"svhn": datasets.SVHN, "stl10": datasets.STL10}[name]
        for split in ("train", "test"):
            source(folder, split=split, download=download)
    elif name == "usps":
        for train in (True, False):
            datasets.USPS(folder, train=train, download=download)
    else:
        datasets.EMNIST(folder, split=name.removeprefix("emnist-"), train=True, download=download)


def _svhn(path: Path) -> tuple[Array, Array]:
    from scipy.io import loadmat

    content = loadmat(path)
    images, labels = content["X"], content["y"].reshape(-1)
    # The label of the digit 0 is 10.
    return np.ascontiguousarray(np.transpose(images, (3, 2, 0, 1))), labels % 10


def _stl10(images: Path, labels: Path) -> tuple[Array, Array]:
    # Each image is stored by columns, and labels begin with 1.
    pixels = np.fromfile(images, dtype=np.uint8).reshape(-1, 3, 96, 96)
    classes = np.fromfile(labels, dtype=np.uint8).astype(np.int64) - 1
    return np.ascontiguousarray(np.transpose(pixels, (0, 1, 3, 2))), classes


def _usps(path: Path) -> tuple[Array, Array]:
    with bz2.open(path) as file:
        rows = [line.decode("ascii").split() for line in file]
    values = np.asarray([[value.split(":")[-1] for value in row[1:]] for row in rows], dtype=np.float32)
    pixels = ((values.reshape(-1, 1, 16, 16) + 1) / 2 * 255).astype(np.uint8)
    return pixels, np.asarray([int(row[0]) - 1 for row in rows])


def _emnist(images: Path, labels: Path, *, first: int) -> tuple[Array, Array]:
    """`first` is the smallest label. The images are stored transposed."""
    pixels, classes = _idx(images, 3), _idx(labels, 1)
    return np.ascontiguousarray(pixels.transpose(0, 2, 1))[:, None], classes.astype(np.int64) - first


def _idx(path: Path, dimensions: int) -> Array:
    values = np.fromfile(path, dtype=np.uint8)
    begin = 4 + 4 * dimensions
    if values[:4].tolist() != [0, 0, 8, dimensions]:
        raise ValueError("it is not an IDX file")
    return values[begin:].reshape(values[4:begin].view(">u4").tolist())


Reader = Callable[..., tuple[Array, Array]]
READERS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "svhn": (("train_32x32.mat", "test_32x32.mat"), _svhn),
    "stl10": (tuple(f"stl10_binary/{split}_{part}.bin" for split in ("train", "test") for part in "Xy"), _stl10),
    "usps": (("usps.bz2", "usps.t.bz2"), _usps),
}
for _split in ("balanced", "letters", "digits", "mnist", "bymerge", "byclass"):
    _files = tuple(
        f"EMNIST/raw/emnist-{_split}-{part}-{what}-ubyte"
        for part in ("train", "test")
        for what in ("images-idx3", "labels-idx1")
    )
    READERS[f"emnist-{_split}"] = _files, partial(_emnist, first=1 if _split == "letters" else 0)
