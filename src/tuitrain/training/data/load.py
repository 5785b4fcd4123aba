"""Load the data set that a configuration names."""

import torch

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.training.data import image_folder, standard
from tuitrain.training.data.dataset import Dataset, Progress
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.stratify import stratified


def load(config: Data, seed: int, device: torch.device, progress: Progress = lambda *_: None) -> Dataset:
    """Load and split a data set, without drawing from the global random generators. Raises DataError."""
    if config.dataset == "image-folder":
        return image_folder.load(config, seed, device, progress)
    train, test, white = standard.read(config.dataset, config.dir, progress)
    validation = None
    if config.validation:
        kept, held = stratified(train.labels, config.validation, seed)
        train, validation = train.at(kept), train.at(held)
    channels = DATASETS[config.dataset].shape[0]
    normalization = Normalization.of(train.images, white) if config.normalize else Normalization.none(channels, white)
    normalize = Normalizer(normalization, device)
    progress(f"converting {config.dataset}", None)
    return Dataset.standard(
        config.dataset,
        normalization,
        train=MemorySplit.of(train, normalize),
        validation=MemorySplit.of(validation, normalize) if validation else None,
        test=MemorySplit.of(test, normalize),
    )
