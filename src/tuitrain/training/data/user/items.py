"""Read the images and labels of a split that the user's code returned."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tuitrain.config.code import DATASET, hint
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Ticker
from tuitrain.training.data.normalize import Pixels, allocate
from tuitrain.training.user_code import explained

_CPU = torch.device("cpu")
# The mode to convert a Pillow image to, by its mode; others are errors.
_MODES = {"L": "L", "LA": "L", "1": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


class UserSplit:
    """A split: a torch Dataset of (image, label), or a pair of images and labels. `name` is for messages."""

    def __init__(self, value: Any, name: str, classes: int) -> None:
        self._value, self.name, self._classes = value, name, classes
        self.is_pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_array, value))
        with explained(f"The length of {name}", DataError):
            self._length = len(value[0]) if self.is_pair else len(value)
        if not self.is_pair and not hasattr(value, "__getitem__"):
            raise self._wrong(f"is a {_kind(value)}", "a torch Dataset, or images and labels")
        if not self._length:
            raise DataError(f"The split {name} has no images.", "Return at least one.")

    def __len__(self) -> int:
        return self._length

    def read(self, ticker: Ticker) -> Pixels:
        """Return all images and labels. Raises DataError."""
        pixels = self._read_pair(ticker) if self.is_pair else self._read_items(ticker)
        images, labels = pixels
        if images.is_floating_point() and not images.isfinite().all():
            row = (~images.flatten(1).isfinite().all(1)).nonzero()[0].item()
            raise DataError(f"Image {row} of {self.name} contains NaN or infinity.", "Return finite values.")
        self.check_labels(labels)
        return pixels

    def known_labels(self) -> Tensor | None:
        """Return the labels (N,) int64 if the split has them separately, without reading an image."""
        if self.is_pair:
            return torch.as_tensor(self._value[1]).detach().cpu().long()
        for name in ("targets", "labels"):
            given = getattr(self._value, name, None)
            if isinstance(given, (list, tuple, Tensor, np.ndarray)) and len(given) == self._length:
                return torch.tensor([self._label(label, row) for row, label in enumerate(given)], dtype=torch.int64)
        return None

    def check_labels(self, labels: Tensor) -> None:
        """Raise DataError if a label is not the index of a class."""
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self._classes:
            wrong = low if low < 0 else high
            row = (labels == wrong).nonzero()[0].item()
            raise DataError(
                f"The label of image {row} of {self.name} is {wrong}, and there are {self._classes} classes.",
                f"Use 0 to {self._classes - 1}.",
            )

    def _read_pair(self, ticker: Ticker) -> Pixels:
        images, labels = (torch.as_tensor(value).detach().cpu() for value in self._value)
        if images.ndim == 3:
            images = images.unsqueeze(1)
        if images.ndim != 4 or 0 in images.shape:
            raise self._wrong(f"has images {tuple(images.shape)}", "(N, C, H, W) or (N, H, W)")
        if len(labels) != len(images) or labels.ndim != 1:
            raise self._wrong(f"has {len(images):,} images and labels {tuple(labels.shape)}", "one label per image")
        if labels.is_floating_point() or labels.is_complex():
            raise self._wrong(f"has {labels.dtype} labels", "whole numbers")
        ticker.update(len(images))
        return Pixels(self._as_supported(images).contiguous(), labels.long())

    def _read_items(self, ticker: Ticker) -> Pixels:
        images, labels = torch.empty(0), torch.empty(self._length, dtype=torch.int64)
        for row, (image, label) in enumerate(self._items()):
            if row == 0:
                images = allocate((self._length, *image.shape), image.dtype, _CPU)
            elif image.shape != images.shape[1:] or image.dtype != images.dtype:
                raise DataError(
                    f"Image {row} of {self.name} is {image.dtype} {tuple(image.shape)}, and image 0 is"
                    f" {images.dtype} {tuple(images.shape[1:])}.",
                    "Return images of one size and type: resize them in __getitem__.",
                )
            images[row], labels[row] = image, label
            ticker.update()
        return Pixels(images, labels)

    def _items(self) -> Iterator[tuple[Tensor, int]]:
        for row in range(self._length):
            yield self.item(row)

    def item(self, row: int) -> tuple[Tensor, int]:
        """Return an image (C, H, W), uint8 or float32, and its label."""
        if self.is_pair:
            return self._image(torch.as_tensor(self._value[0][row]), row), self._label(self._value[1][row], row)
        with explained(f"Reading image {row} of {self.name}", DataError):
            item = self._value[row]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise self._wrong(f"has a {_kind(item)} as item {row}", "(image, label)")
        return self._image(item[0], row), self._label(item[1], row)

    def _image(self, value: Any, row: int) -> Tensor:
        """Convert a Pillow image, an array (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W)."""
        if isinstance(value, Image.Image):
            mode = _MODES.get(value.mode)
            if mode is None:
                raise self._wrong(f"has an image of mode {plain(value.mode, 20)} as item {row}", "one of mode L or RGB")
            value = np.array(value.convert(mode))
        if not _is_array(value):
            raise self._wrong(f"has a {_kind(value)} as image {row}", "a Pillow image, an array or a tensor")
        is_array = isinstance(value, np.ndarray)
        image = torch.as_tensor(value).detach().cpu()
        if image.ndim == 2:
            image = image.unsqueeze(0)
        elif image.ndim == 3 and is_array:
            image = image.permute(2, 0, 1)
        if image.ndim != 3 or 0 in image.shape:
            wanted = "(H, W) or (H, W, C)" if is_array else "(H, W) or (C, H, W)"
            raise self._wrong(f"has {tuple(np.shape(value))} as image {row}", wanted)
        return self._as_supported(image)

    def _as_supported(self, images: Tensor) -> Tensor:
        if images.dtype == torch.uint8:
            return images
        if not images.is_floating_point():
            raise self._wrong(f"has {images.dtype} images", "uint8 or floating-point ones")
        return images.float()

    def _label(self, value: Any, row: int) -> int:
        try:
            if isinstance(value, (Tensor, np.ndarray, np.generic)):
                value = value.item()
            if isinstance(value, int):
                return min(max(int(value), -1), 2**31)
        except (ValueError, RuntimeError):
            pass
        raise self._wrong(f"has the label {plain(value, 40)} for image {row}", "the index of a class, a whole number")

    def _wrong(self, what: str, wanted: str) -> DataError:
        return DataError(f"The split {self.name} {what}, but must have {wanted}.", hint(DATASET))


def _is_array(value: object) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def _kind(value: object) -> str:
    return plain(type(value).__name__, 80)
