"""Make random images in place of a data set that is not on the disk."""

import torch

from tuitrain.config.data.schema import Data
from tuitrain.training.data.dataset import Dataset, DatasetLoader, Progress
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.data.splits import MemorySplit


def random_images(shape: tuple[int, int, int], classes: int, count: int) -> DatasetLoader:
    """Return a function that makes a data set of `count` random images of `shape` (C, H, W), without drawing from the
    global random generators."""

    def load(config: Data, seed: int, device: torch.device, progress: Progress) -> Dataset:  # noqa: ARG001
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
        labels = torch.arange(count) % classes
        split = MemorySplit(images.to(device), labels.to(device), fingerprint="random")
        validation = split if config.validation or config.fold else None
        names = tuple(str(label) for label in range(classes))
        return Dataset("random images", shape, names, split, validation, split, Normalization.none(shape[0]))

    return load
