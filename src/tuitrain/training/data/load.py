"""Load any data set."""

import torch

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.training.data import image_folder, standard
from tuitrain.training.data.dataset import Dataset, Progress
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.stratify import stratified


def _quiet(doing: str, fraction: float | None) -> None: ...


def load(config: Data, seed: int, device: torch.device, progress: Progress = _quiet) -> Dataset:
    """Load the data set of `config` to `device`, split with `seed`; does not use the global random generators. Raises
    DataError."""
    if config.dataset == "image-folder":
        return image_folder.load(config, seed, device, progress)
    train, test, white = standard.read(config.dataset, config.dir, progress)
    validation = None
    if config.validation:
        kept, held = stratified(train.labels, config.validation, seed)
        train, validation = train.at(kept), train.at(held)
    channels = DATASETS[config.dataset].shape[0]
    figures = Normalization.of(train.images, white) if config.normalize else Normalization.none(channels, white)
    normalize = figures.on(device)
    progress(f"converting {config.dataset}", None)
    return Dataset(
        name=config.dataset,
        shape=DATASETS[config.dataset].shape,
        classes=DATASETS[config.dataset].classes,
        train=MemorySplit.of(train, normalize),
        validation=MemorySplit.of(validation, normalize) if validation else None,
        test=MemorySplit.of(test, normalize),
        mean=figures.mean,
        std=figures.std,
    )
