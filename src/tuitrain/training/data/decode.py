"""Decode image files to tensors."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from tuitrain.text import plain

# Pillow would print warnings about large or damaged images to stderr, over the screen of the app.
warnings.filterwarnings("ignore", module="PIL")


class ImageError(Exception):
    """An image that cannot be read; the message is a short reason."""


@dataclass(frozen=True)
class ImageReader:
    """Reads an image file as (C, size, size) uint8: rotates it upright, crops its center and resizes it. `mode` is L
    (grayscale) or RGB. Raises ImageError."""

    size: int
    mode: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return (3 if self.mode == "RGB" else 1, self.size, self.size)

    def __call__(self, path: str) -> Tensor:
        try:
            with _open(path) as image:
                # Decode a JPEG at the smallest scale that is still at least twice as large as needed.
                image.draft(self.mode, (2 * self.size, 2 * self.size))
                upright = _in_mode(ImageOps.exif_transpose(image), self.mode)
                square = ImageOps.fit(upright, (self.size, self.size), Image.Resampling.BILINEAR)
                array = np.array(square, dtype=np.uint8).reshape(self.size, self.size, -1)
        except Exception as error:  # Pillow's decoders raise many kinds of exceptions for damaged files.
            raise ImageError(_reason(error)) from error
        return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def check(path: str) -> None:
    """Check the image as far as possible without decoding it. Raises ImageError."""
    try:
        with _open(path) as image:
            image.verify()
    except Exception as error:
        raise ImageError(_reason(error)) from error


def is_grayscale(path: str) -> bool | None:
    """Return whether an image is grayscale; None if the file is not an image."""
    try:
        with _open(path) as image:
            return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    except Exception:
        return None


def _open(path: str) -> Image.Image:
    image = Image.open(path)
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise Image.DecompressionBombError
    return image


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to 8 bits: 16-bit images keep the upper 8 bits, floats must be in [0, 1], transparency becomes white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8)).convert(mode)
    if image.mode == "F":
        return Image.fromarray((np.nan_to_num(np.asarray(image)).clip(0, 1) * 255).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError():
            return "not an image"
        case Image.DecompressionBombError():
            return "too many pixels"
        case OSError(strerror=str(reason)):
            return reason.lower()
    return "truncated" if "truncated" in str(error).lower() else plain(str(error) or type(error).__name__, 60)
