"""Read new pictures as a run reads its own images."""

import os
import stat
from dataclasses import dataclass

import torch
from torch import Tensor

from tuitrain.config.data.photo_datasets import reads_files
from tuitrain.config.data.schema import Data
from tuitrain.errors import RunError
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain
from tuitrain.training.data.decoding.decode import ImageError, ImageReader, is_grayscale, upright_size
from tuitrain.training.data.decoding.depth import Range
from tuitrain.training.data.decoding.value_ranges import RecordedRanges, recorded_ranges
from tuitrain.training.data.image_folder import reader_for

# How each value of `data.resize` changes a picture: the words before and after the sizes.
_RESIZED = {"crop": ("resized", ""), "squash": ("squashed", ""), "pad": ("resized", " with black bars")}


@dataclass(frozen=True)
class PictureReader:
    """Reads a picture as an image of a run, (C, H, W): uint8 up to `white`, or floats in [0, 1] if `white` is 1. Raises
    ImageError."""

    read: ImageReader
    white: int = 255

    @classmethod
    def of_run(cls, data: Data, info: RunInfo, white: int = 255) -> "PictureReader":
        """Return the reader of the images of a run. Raises RunError if no picture has their channels."""
        channels, height, width = info.shape
        if channels not in (1, 3):
            raise RunError(f"{plain(info.name)} was trained on images with {channels} channels; pictures have 1 or 3.")
        fixed = Range(*data.value_range) if data.value_range else None
        ranges = RecordedRanges(recorded_ranges(info), fixed)
        read = ImageReader(height, "L" if channels == 1 else "RGB", ranges, width=None if width == height else width)
        # Images of other data sets are not cropped for pretrained weights.
        return cls(reader_for(data, read, info.weights if reads_files(data.dataset) else None), white)

    def __call__(self, path: str) -> Tensor:
        check_file(path)
        pixels = self.read(path)
        if self.white == 255:
            return pixels
        if self.white == 1:
            return pixels.float() / 255
        return (pixels.float() * (self.white / 255)).round_().to(torch.uint8)

    def changes(self, path: str) -> str:
        """Return what reading changes in a picture, such as `resized 120x80 to 8x8, converted to grey`; empty if
        nothing, or if the file is no picture."""
        try:
            check_file(path)
        except ImageError:
            return ""
        size, parts = upright_size(path), []
        if size is None:
            return ""
        _, height, width = self.read.shape
        if size != (width, height):
            how, end = _RESIZED[self.read.resize]
            is_cropped = self.read.resize == "crop" and (size[0] * height != size[1] * width or self.read.crops(size))
            parts.append(f"{'cropped to the middle, ' * is_cropped}{how} {size[0]}x{size[1]} to {width}x{height}{end}")
        if self.read.mode == "L" and is_grayscale(path) is False:
            parts.append("converted to grey")
        return ", ".join(parts)


def check_file(path: str) -> None:
    """Raise ImageError if there is no file: reading a pipe would wait forever."""
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ImageError((reason or "not a path").lower()) from error
    if not is_file:
        raise ImageError("not a file")
