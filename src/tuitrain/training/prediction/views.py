"""Test-time augmentation: the views of each image over which a prediction is averaged."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS, reads_files
from tuitrain.config.data.schema import Data

# The side of a corner's crop as a fraction of the image's: 224 of 256 pixels, as is usual for ImageNet.
CROP = 7 / 8


class Views:
    """Yields views of a batch. `flips` adds mirror images; `crops` adds crops of the four corners, enlarged."""

    def __init__(self, *, flips: bool = False, crops: bool = False) -> None:
        self.flips, self.crops = flips, crops

    @classmethod
    def usual(cls, data: Data) -> "Views":
        """Return the views that keep the class: mirror images if the usual augmentation has them, crops of photos."""
        known = DATASETS.get(data.dataset) or PHOTO_DATASETS.get(data.dataset)
        return cls(flips="flip" in (known.augment if known else ("flip",)), crops=reads_files(data.dataset))

    def __len__(self) -> int:
        return (1 + 4 * self.crops) * (1 + self.flips)

    def __str__(self) -> str:
        """Return what a prediction averages, as the end of a sentence."""
        if len(self) == 1:
            return "a single view: mirror images would be other classes"
        parts = ["the picture"] + ["crops of its four corners"] * self.crops + ["their mirror images"] * self.flips
        return f"{len(self)} views: {', '.join(parts[:-1])} and {parts[-1]}"

    def of(self, images: Tensor, unit: Tensor | None = None) -> Iterator[Tensor]:
        """Yield the images (N, C, H, W) themselves, then their views of the same shape, which are floats in [0, 1] if
        they are crops of `unit`, the images in [0, 1]."""
        for view in (images, *self._corners(images if unit is None else unit)):
            yield view
            if self.flips:
                yield view.flip(3)

    def _corners(self, images: Tensor) -> Iterator[Tensor]:
        if not self.crops:
            return
        height, width = images.shape[2:]
        rows, columns = max(1, round(CROP * height)), max(1, round(CROP * width))
        for top in (0, height - rows):
            for left in (0, width - columns):
                part = images[:, :, top : top + rows, left : left + columns]
                yield F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)
