"""The data sets with a name: scikit-learn's digits, and torchvision's."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs
import torch
from torch import Tensor

from tuitrain.config.datasets import FACTS
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress
from tuitrain.training.data.download import complete
from tuitrain.training.data.pixels import Pixels
from tuitrain.training.data.stratify import stratified

TEST_FRACTION = 0.2
# Of eight seeds the one whose split gives the accuracy nearest to their mean.
TEST_SEED = 2
_TORCHVISION = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
_HINT = "Delete it and start again, and it is downloaded afresh."


class Named(NamedTuple):
    """`white` is the value of a white pixel."""

    train: Pixels
    test: Pixels
    white: int


def read(name: str, folder: str | None, progress: Progress) -> Named:
    """Raises DataError where the files are missing and cannot be downloaded, or are damaged."""
    progress(f"reading {name}", None)
    if name == "digits":
        return _digits()
    root = Path(folder).expanduser() if folder else platformdirs.user_cache_path("tuitrain", appauthor=False) / "data"
    from torchvision import datasets

    source = getattr(datasets, _TORCHVISION[name])
    if issubclass(source, datasets.MNIST):
        parts = _mnist(name, source, root, progress)
    else:
        parts = _cifar(name, source, root, progress)
    for part in parts:
        _check(part, name, root)
    return Named(*parts, white=255)


def _digits() -> Named:
    """scikit-learn's `load_digits`, read from its file: importing scikit-learn takes longer than importing torch."""
    package = importlib.util.find_spec("sklearn")
    folder = package.submodule_search_locations if package else None
    path = Path(folder[0] if folder else "sklearn") / "datasets/data/digits.csv.gz"
    try:
        # (N, 64 + 1) uint8: the pixels of an image, row by row, and its label.
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{plain(path)}, which holds the digits, cannot be read.", "Reinstall scikit-learn.") from error
    images = torch.from_numpy(table[:, :-1].copy()).view(-1, 1, 8, 8)
    pixels = Pixels(images, torch.from_numpy(table[:, -1].astype(np.int64)))
    train, test = stratified(pixels.labels, TEST_FRACTION, TEST_SEED)
    return Named(pixels.at(train), pixels.at(test), white=16)


def _mnist(name: str, source: Any, root: Path, progress: Progress) -> tuple[Pixels, Pixels]:
    from torchvision.datasets import mnist

    archives = [f"{source.__name__}/raw/{Path(file).name}" for file, _ in source.resources]
    files = [archive.removesuffix(".gz") for archive in archives]
    complete(name, source, root, files, archives, progress)
    readers = (mnist.read_image_file, mnist.read_label_file) * 2
    tensors = [_read(reader, root / file) for reader, file in zip(readers, files, strict=True)]
    return Pixels(tensors[0].unsqueeze(1), tensors[1]), Pixels(tensors[2].unsqueeze(1), tensors[3])


def _read(reader: Any, path: Path) -> Tensor:
    try:
        tensor: Tensor = reader(path)
    except OSError as error:
        raise DataError(f"{plain(path)} cannot be read: {plain(error.strerror)}.", "Set data.dir.") from error
    except Exception as error:  # A damaged header raises nearly anything.
        raise DataError(f"{plain(path)} is damaged or cut short.", _HINT) from error
    return tensor


def _cifar(name: str, source: Any, root: Path, progress: Progress) -> tuple[Pixels, Pixels]:
    sums = {f"{source.base_folder}/{file}": md5 for file, md5 in source.train_list + source.test_list}
    sums[f"{source.base_folder}/{source.meta['filename']}"] = source.meta["md5"]
    complete(name, source, root, list(sums), [source.filename], progress)
    try:
        with warnings.catch_warnings():
            # The files are pickles of an old NumPy, of which the newer ones complain.
            warnings.simplefilter("ignore")
            parts = [source(root, train=train) for train in (True, False)]
    except Exception as error:  # A damaged pickle raises nearly anything, a wrong checksum RuntimeError.
        from torchvision.datasets.utils import check_integrity

        damaged = [file for file, md5 in sums.items() if not check_integrity(root / file, md5)]
        where = plain(root / (damaged[0] if damaged else source.base_folder))
        raise DataError(f"{where} is damaged or cut short.", _HINT) from error
    train, test = (
        Pixels(torch.from_numpy(part.data).permute(0, 3, 1, 2), torch.tensor(part.targets, dtype=torch.int64))
        for part in parts
    )
    return train, test


def _check(pixels: Pixels, name: str, root: Path) -> None:
    facts, (images, labels) = FACTS[name], pixels
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
