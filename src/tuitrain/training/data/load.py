"""Load the data set that a configuration names."""

from collections.abc import Mapping
from functools import partial

import torch

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.runs.records import RunInfo
from tuitrain.training.data import image_folder, standard
from tuitrain.training.data.dataset import Dataset, DatasetLoader, Progress
from tuitrain.training.data.depth import Range
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.stratify import stratified
from tuitrain.training.data.value_ranges import OLDER


def load(
    config: Data,
    seed: int,
    device: torch.device,
    progress: Progress = lambda *_: None,
    ranges: Mapping[str, Range] | None = None,
) -> Dataset:
    """Load and split a data set, without drawing from the global random generators. `ranges` are the `value_ranges` of
    an earlier load. Raises DataError."""
    if config.dataset == "image-folder":
        return image_folder.load(config, seed, device, progress, ranges)
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


def loader_of(info: RunInfo) -> DatasetLoader:
    """Return a loader that reads images as the run was trained on them, however its data has changed since."""
    trained_by_older_version = info.layers and info.value_ranges is None
    ranges = OLDER if trained_by_older_version else info.value_ranges or {}
    return partial(load, ranges={kind: Range(*span) for kind, span in ranges.items()})
