"""The standard data sets: the digits of scikit-learn, and those of torchvision."""

import importlib.util
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tuitrain.config.data.datasets import DATASETS, TEST_FRACTION, data_folder, found_in
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress
from tuitrain.training.data.decoding.array_files import READERS, read_arrays
from tuitrain.training.data.download import download_missing
from tuitrain.training.data.normalize import Pixels
from tuitrain.training.data.stratify import stratified

# Of eight seeds, the one whose split gives the accuracy closest to the mean.
TEST_SEED = 2
_TORCHVISION = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_HINT = "Delete it and start again: tuitrain then downloads it again."


class StandardImages(NamedTuple):
    """The training and test images; `white` is the value of a white pixel."""

    train: Pixels
    test: Pixels
    white: int


def read(name: str, folder: str | None, progress: Progress) -> StandardImages:
    """Load a standard data set. Raises DataError if files are damaged, or missing and the download fails."""
    progress(f"reading {name}", None)
    if name == "digits":
        return _digits()
    root = found_in(folder, DATASETS[name].place) or data_folder(folder)
    if name in READERS:
        parts = read_arrays(name, root, progress)
        for part in parts:
            _check(part, name, root)
        return StandardImages(*parts, white=255)
    parts = _mnist(name, root, progress) if DATASETS[name].shape[0] == 1 else _cifar(name, root, progress)
    for part in parts:
        _check(part, name, root)
    return StandardImages(*parts, white=255)


def files_of(name: str) -> tuple[str, ...]:
    """Return the files that `read` needs, relative to `data.dir`. digits has none."""
    if name == "digits":
        return ()
    if name in READERS:
        return READERS[name][0]
    return tuple(_mnist_files(name) if DATASETS[name].shape[0] == 1 else _cifar_sums(name))


def _digits() -> StandardImages:
    """Read the file of scikit-learn's `load_digits`; importing scikit-learn takes longer than importing torch."""
    package = importlib.util.find_spec("sklearn")
    folder = package.submodule_search_locations if package else None
    path = Path(folder[0] if folder else "sklearn") / "datasets/data/digits.csv.gz"
    try:
        # (N, 64 + 1) uint8: the pixels of each image, row by row, and its label.
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{plain(path)}, which holds the digits, cannot be read.", "Reinstall scikit-learn.") from error
    images = torch.from_numpy(table[:, :-1].copy()).view(-1, 1, 8, 8)
    pixels = Pixels(images, torch.from_numpy(table[:, -1].astype(np.int64)))
    train, test = stratified(pixels.labels, TEST_FRACTION, TEST_SEED)
    return StandardImages(pixels.at(train), pixels.at(test), white=16)


def _mnist(name: str, root: Path, progress: Progress) -> tuple[Pixels, Pixels]:
    """Read MNIST and data sets in its format without torchvision, whose import takes as long as torch's."""
    files = _mnist_files(name)

    def source(folder: str, *, download: bool) -> None:
        from torchvision import datasets

        getattr(datasets, _TORCHVISION[name])(folder, download=download)

    download_missing(name, source, root, files, [f"{file}.gz" for file in files], progress)
    arrays = [_idx(root / file, dimensions) for file, dimensions in zip(files, (3, 1, 3, 1), strict=True)]
    images, labels = arrays[::2], [torch.from_numpy(array.astype(np.int64)) for array in arrays[1::2]]
    train, test = (Pixels(torch.from_numpy(a).unsqueeze(1), b) for a, b in zip(images, labels, strict=True))
    return train, test


def _mnist_files(name: str) -> list[str]:
    return [f"{_TORCHVISION[name]}/raw/{file}" for file in _IDX]


def _idx(path: Path, dimensions: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Read an IDX file: bytes 0, 0, 8 (for uint8), the number of dimensions, four bytes for each, and the values."""
    try:
        # torch requires a writable array.
        values = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(f"{plain(path)} cannot be read: {plain(error.strerror)}.", "Set data.dir.") from error
    begin = 4 + 4 * dimensions
    shape = values[4:begin].view(">u4").tolist() if len(values) >= begin else []
    if values[:4].tolist() != [0, 0, 8, dimensions] or len(values) != begin + math.prod(shape):
        raise DataError(f"{plain(path)} is damaged or cut short.", _HINT)
    return values[begin:].reshape(shape)


def _cifar(name: str, root: Path, progress: Progress) -> tuple[Pixels, Pixels]:
    from torchvision import datasets

    source = getattr(datasets, _TORCHVISION[name])
    sums = _cifar_sums(name)
    download_missing(name, source, root, list(sums), [source.filename], progress)
    try:
        with warnings.catch_warnings():
            # The files are pickles of an old NumPy version, about which newer ones warn.
            warnings.simplefilter("ignore")
            parts = [source(root, train=train) for train in (True, False)]
    except Exception as error:  # A damaged pickle raises many kinds of exceptions, a wrong checksum RuntimeError.
        from torchvision.datasets.utils import check_integrity

        damaged = [file for file, md5 in sums.items() if not check_integrity(root / file, md5)]
        where = plain(root / (damaged[0] if damaged else source.base_folder))
        raise DataError(f"{where} is damaged or cut short.", _HINT) from error
    train, test = (
        Pixels(torch.from_numpy(part.data).permute(0, 3, 1, 2), torch.tensor(part.targets, dtype=torch.int64))
        for part in parts
    )
    return train, test


def _cifar_sums(name: str) -> dict[str, str]:
    """Return the MD5 sum of each file that torchvision reads."""
    from torchvision import datasets

    source = getattr(datasets, _TORCHVISION[name])
    sums = {f"{source.base_folder}/{file}": md5 for file, md5 in source.train_list + source.test_list}
    return sums | {f"{source.base_folder}/{source.meta['filename']}": source.meta["md5"]}


def _check(pixels: Pixels, name: str, root: Path) -> None:
    facts, (images, labels) = DATASETS[name], pixels
    problem = ""
    if len(images) != len(labels):
        problem = f"it has {len(images):,} images and {len(labels):,} labels"
    elif not len(labels):
        problem = "it has no images"
    elif tuple(images.shape[1:]) != facts.shape:
        problem = f"its images are {tuple(images.shape[1:])}, not {facts.shape}"
    elif labels.min() < 0 or labels.max() >= len(facts.classes):
        problem = f"its labels go from {labels.min()} to {labels.max()}, not from 0 to {len(facts.classes) - 1}"
    if problem:
        raise DataError(f"The {name} in {plain(root)} is damaged: {problem}.", "Delete its files and start again.")
