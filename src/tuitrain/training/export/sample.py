"""Choose the images that exports are checked on."""

from typing import NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor

from tuitrain.config.data.datasets import DATASETS, found_in
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS, reads_files
from tuitrain.config.data.schema import Data
from tuitrain.errors import TuitrainError
from tuitrain.image_folder.contents import digests
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.text import plain
from tuitrain.training.data.decoding.decode import ImageError
from tuitrain.training.data.image_folder import image_reader
from tuitrain.training.data.load import load as load_dataset
from tuitrain.training.data.resize import Resize
from tuitrain.training.export.trained import Trained
from tuitrain.training.user_code import explained

LIMIT = 256
_CPU = torch.device("cpu")


class Sample(NamedTuple):
    """Images (N, C, H, W), uint8 or floats in [0, 1]; `kind` says what they are: test or random. `reason` says why they
    are random."""

    images: Tensor
    kind: str
    reason: str = ""


def sample_images(trained: Trained, refused: str = "") -> Sample:
    """Return up to LIMIT images of the test split or, if they cannot be read, random ones; never download any.
    `refused` is the reason why the data of the run must not be loaded, or empty."""
    if not refused:
        try:
            with explained("The run's code", TuitrainError):
                return Sample(_test_images(trained), "test")
        except TuitrainError as error:
            refused = error.message
    generator = torch.Generator().manual_seed(0)
    if trained.white == 1:
        return Sample(torch.rand((LIMIT, *trained.info.shape), generator=generator), "random", refused)
    white = trained.white or 255
    pixels = torch.randint(white + 1, (LIMIT, *trained.info.shape), dtype=torch.uint8, generator=generator)
    return Sample(pixels, "random", refused)


def _test_images(trained: Trained) -> Tensor:
    """Raises TuitrainError if the images cannot be read."""
    data, info = trained.config.data, trained.info
    _check_present(data)
    if reads_files(data.dataset):
        return _images_of_files(trained, replace(data, image_size=info.shape[1]))
    seed = trained.config.training.seed
    split = load_dataset(data, seed, _CPU, before=info, weights=info.weights, only="test").test
    images, _ = next(split.batches(_rows(len(split))[:LIMIT], LIMIT))
    if data.dataset in DATASETS and (white := trained.white):
        images = _resized(images, trained, white)
    if tuple(images.shape[1:]) != info.shape:
        raise TuitrainError(f"The images of the data set are {tuple(images.shape[1:])}, not {info.shape}.")
    return images


def _resized(images: Tensor, trained: Trained, white: int) -> Tensor:
    """Return built-in images (N, C, H, W) uint8 in the size that the network was trained on."""
    weights = trained.info.weights
    resize = Resize(trained.info.shape[1:], weights.interpolation if weights else "bilinear")
    return (resize(images / white) * white).round().to(torch.uint8) if resize.changes(images) else images


def _check_present(data: Data) -> None:
    """Raise TuitrainError if loading the data set would download it."""
    if data.dataset in PHOTO_DATASETS:
        place = PHOTO_DATASETS[data.dataset].folder
    elif data.dataset in DATASETS:
        place = DATASETS[data.dataset].place
    else:
        return
    if place and found_in(data.dir, place) is None:
        raise TuitrainError(f"{data.dataset} is not on this machine.")


def _images_of_files(trained: Trained, data: Data) -> Tensor:
    folder = FolderSplits.scan(data, trained.config.training.seed)
    if folder.sources["test"] == "held out":
        # Identical files are held out together.
        folder = FolderSplits.scan(data, trained.config.training.seed, digests)
    read = image_reader(data, folder, trained.info, trained.info.weights)
    images = list[Tensor]()
    for row in _rows(len(folder.splits["test"].paths)).tolist():
        try:
            images.append(read(folder.splits["test"].paths[row]))
        except ImageError:
            continue
        if len(images) == LIMIT:
            break
    if not images:
        raise TuitrainError(f"No test image in {plain(folder.root)} can be read.")
    return torch.stack(images)


def _rows(count: int) -> Tensor:
    """Return all rows in a random order, the same one in every call."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))
