"""Random resized crops of photos: training keeps the whole photos, squashed, and crops each batch on the device."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from tuitrain.config.data.photo_datasets import reads_files
from tuitrain.config.data.schema import Data
from tuitrain.training.data.decoding.decode import ImageReader, aspect_of
from tuitrain.training.data.transforms.crops import random_resized_crop

# The side of a stored photo divided by that of a crop. The middle square of a 3:2 photo then keeps its resolution.
_OVERSIZE = 3 / 2
# A crop of a narrower photo would have no pixels.
_MAX_ASPECT = 50.0
_THREADS = 8


def crops_photos(data: Data) -> bool:
    """Return whether training takes random crops of whole photos."""
    return reads_files(data.dataset) and "random-resized-crop" in data.augment


def training_reader(data: Data, read: ImageReader) -> ImageReader:
    """Return the reader of the training images; evaluations use `read`."""
    return replace(read, size=round(read.size * _OVERSIZE), resize="squash") if crops_photos(data) else read


def aspects(paths: Sequence[str]) -> Tensor:
    """Return the width of each image divided by its height, (N,) float32, from the headers of the files."""
    with ThreadPoolExecutor(_THREADS) as pool:
        found = torch.tensor(list(pool.map(aspect_of, paths)))
    return found.clamp(1 / _MAX_ASPECT, _MAX_ASPECT)


class PhotoCrop:
    """Takes a random resized crop of `size` by `size` pixels of each photo. `aspects` are those of all photos, (N,) on
    the device, and `scale` is `data.crop_scale`."""

    def __init__(self, aspects: Tensor, size: int, scale: float) -> None:
        self._aspects, self._size, self._scale = aspects, (size, size), scale

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return crops (n, C, H, W) uint8 of squashed photos (n, C, S, S) uint8; `rows` (n,) are their indices."""
        aspects = self._aspects.index_select(0, rows)
        return random_resized_crop(images.float(), aspects, self._size, self._scale).round_().to(torch.uint8)
