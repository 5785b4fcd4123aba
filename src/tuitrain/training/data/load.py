"""Load the data set that a configuration names."""

import torch

from tuitrain.config.code import is_spec
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS, reads_files
from tuitrain.config.data.schema import Data
from tuitrain.runs.records import RunInfo, WeightsInfo
from tuitrain.training.data import image_folder, standard
from tuitrain.training.data.dataset import Dataset, Progress, Request
from tuitrain.training.data.download import download_folder
from tuitrain.training.data.normalize import Normalization, Pixels, fingerprint
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.stratify import split_rows
from tuitrain.training.data.user import dataset as user_dataset


def load(
    config: Data,
    seed: int,
    device: torch.device,
    progress: Progress = lambda *_: None,
    before: RunInfo | None = None,
    weights: WeightsInfo | None = None,
    only: str | None = None,
) -> Dataset:
    """Load and split a data set, without drawing from the global random generators. Raises DataError.

    `before` is the record of a run that was trained on this data set. Keep its classes, channels, value ranges and
    normalization, because its network depends on them; images of another class are an error. Otherwise normalize as
    the `weights` that training begins with expect. `only` names the split that an evaluation needs, test or
    validation: the others of an image folder are then not read.
    """
    if before and not (before.classes and 0 < before.shape[0] == len(before.mean) == len(before.std)):
        # The run ended before it loaded its data, or its record is damaged.
        before = None
    request = Request(config, seed, device, progress, before, weights, only)
    if is_spec(config.dataset):
        return user_dataset.load(request)
    if config.dataset in PHOTO_DATASETS:
        download_folder(config.dataset, config.dir, progress)
    if reads_files(config.dataset):
        return image_folder.load(request)
    return _load_standard(request)


def _load_standard(request: Request) -> Dataset:
    config = request.config
    whole, test, white = standard.read(config.dataset, config.dir, request.progress)
    checksum = whole.checksum()
    kept, held = split_rows(whole.labels, config, request.seed)
    train = whole if kept is None else whole.at(kept), fingerprint(checksum, kept)
    validation = None if held is None else (whole.at(held), fingerprint(checksum, held))
    images = train[0].images
    normalization = request.normalization(images.shape[1], white) or Normalization.of(images, white)

    def split(pixels: Pixels, identity: str) -> MemorySplit:
        return MemorySplit.of(pixels, request.device, fingerprint=identity)

    return Dataset.standard(
        config,
        normalization,
        train=split(*train),
        validation=split(*validation) if validation else None,
        test=split(test, fingerprint(test.checksum())),
    )
