"""Make image folders and load them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tuitrain.config.data.schema import Data
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.load import load
from tuitrain.training.data.splits import MemorySplit, Split

CPU = torch.device("cpu")


def noise(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).convert(mode).save(path)


def classes_of(folder: Path, counts: dict[str, int], mode: str = "RGB", first: int = 0) -> Path:
    """Write images of each class, other images for another `first`."""
    for index, (name, count) in enumerate(counts.items()):
        for number in range(count):
            noise(folder / name / f"{number:03}.png", 1000 * index + first + number, mode)
    return folder


def read(folder: Path, seed: int = 0, **settings: Any) -> Dataset:
    data = Data(**{"dataset": "image-folder", "dir": str(folder), "image_size": 8, **settings})
    return load(data, seed, CPU)


def images(split: Split | None) -> torch.Tensor:
    assert isinstance(split, MemorySplit)
    return split.images
