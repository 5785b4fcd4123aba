"""Decode image files to tensors."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from tuitrain.config.data.schema import Resize
from tuitrain.text import plain
from tuitrain.training.data.decoding.depth import depth_of
from tuitrain.training.data.decoding.image_file import completed_jpeg, is_whole, open_image
from tuitrain.training.data.decoding.jpeg import decode_jpeg
from tuitrain.training.data.decoding.resize import Interpolation, from_pillow, resize
from tuitrain.training.data.decoding.value_ranges import ValueRanges

# Pillow would print warnings about large or damaged images to stderr, over the screen of the app.
warnings.filterwarnings("ignore", module="PIL")

# Orientations that swap width and height.
_TURNED = (5, 6, 7, 8)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class ImageError(Exception):
    """An image that cannot be read; the message is a short reason."""


@dataclass(frozen=True)
class ImageReader:
    """Reads an image file as (C, size, size) uint8: rotates it upright and makes it a square. `mode` is L (grayscale)
    or RGB, and `ranges` scale images with more than 8 bits. Raises ImageError.

    `resize` is that of `data.resize`. With crop, the square has `crop_fraction` of the shorter side of an image that is
    larger than the square. `width` is that of images that are no squares; `size` is then their height.
    """

    size: int
    mode: str
    ranges: ValueRanges = field(default_factory=ValueRanges, compare=False)
    resize: Resize = "crop"
    crop_fraction: float = 1.0
    interpolation: Interpolation = "bilinear"
    width: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of the images: all that a batch's transforms need of the file's pixels."""
        return (3 if self.mode == "RGB" else 1, self.size, self.width or self.size)

    @property
    def settings(self) -> str:
        """A text that identifies everything that determines the pixels, except the ranges of values. A cache of decoded
        images is valid for the same text."""
        return f"{self.mode} {self.shape} {self.resize} {self.crop_fraction} {self.interpolation}"

    def __call__(self, path: str) -> Tensor:
        try:
            try:
                image = self._read(path, path)
            except Exception:
                if (jpeg := completed_jpeg(path)) is None:
                    raise
                image = self._read(jpeg, path)
            return self._square(image).contiguous()
        except Exception as error:  # Pillow's decoders raise many kinds of exceptions for damaged files.
            raise ImageError(_reason(error, path)) from error

    def check(self, path: str) -> None:
        """Raise ImageError if the image cannot be read. Decode it only if its structure does not show that."""
        try:
            with open_image(path, self.mode, max(self.shape[1:])) as image:
                whole = depth_of(image) is None and is_whole(image)
        except Exception as error:
            raise ImageError(_reason(error, path)) from error
        if not whole:
            self(path)

    def _read(self, source: str | BinaryIO, path: str) -> Tensor:
        """Return the upright image (C, H, W)."""
        with open_image(source, self.mode, max(self.shape[1:])) as image:
            if (depth := depth_of(image)) is not None:
                upright = self.ranges.to_8_bits(image, depth, path)
            elif isinstance(source, str) and (pixels := decode_jpeg(image, source, self.mode)) is not None:
                return pixels
            else:
                upright = ImageOps.exif_transpose(image)
        return from_pillow(_in_mode(upright, self.mode))

    def _square(self, image: Tensor) -> Tensor:
        if self.resize == "crop":
            image = self._middle(image)
        (height, width), (tall, wide) = image.shape[1:], self.shape[1:]
        if self.resize != "pad":
            return resize(image, tall, wide, self.interpolation)
        scale = min(tall / height, wide / width)
        inner = resize(image, max(1, round(height * scale)), max(1, round(width * scale)), self.interpolation)
        square = inner.new_zeros(self.shape)
        top, left = (tall - inner.shape[1]) // 2, (wide - inner.shape[2]) // 2
        square[:, top : top + inner.shape[1], left : left + inner.shape[2]] = inner
        return square

    def _middle(self, image: Tensor) -> Tensor:
        """Return the middle square, or the middle part with the shape of the result."""
        (height, width), (tall, wide) = image.shape[1:], self.shape[1:]
        rows, columns = min(height, round(width * tall / wide)), min(width, round(height * wide / tall))
        if self.crops((width, height)):
            rows, columns = (max(1, round(side * self.crop_fraction)) for side in (rows, columns))
        top, left = (height - rows) // 2, (width - columns) // 2
        return image[:, top : top + rows, left : left + columns]

    def crops(self, size: tuple[int, int]) -> bool:
        """Return whether an image of this width and height is large enough for `crop_fraction`: cropping a photo that
        must be enlarged loses detail. A linear probe on 32-pixel photos at 128 pixels lost 1.2 % of accuracy."""
        return self.crop_fraction < 1 and min(size) > max(self.shape[1:])


def aspect_of(path: str) -> float:
    """Return the width of an upright image divided by its height, from its header; 1 if it cannot be read."""
    size = upright_size(path)
    return size[0] / size[1] if size else 1.0


def upright_size(path: str) -> tuple[int, int] | None:
    """Return the width and height of an upright image, from its header; None if it cannot be read."""
    try:
        with open_image(path) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    except Exception:
        return None
    return (height, width) if turned else (width, height)


def is_grayscale(path: str) -> bool | None:
    """Return whether an image is grayscale; None if the file is not an image."""
    try:
        with open_image(path) as image:
            return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    except Exception:
        return None


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert the image; transparency becomes white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _reason(error: Exception, path: str) -> str:
    match error:
        case UnidentifiedImageError():
            begin = _beginning(path)
            if begin[4:8] == b"ftyp":
                return "a damaged HEIC or AVIF file"
            return "a kind of TIFF that is not supported" if begin[:4] in _TIFF else "not an image"
        case Image.DecompressionBombError():
            return f"too many pixels: resize it to at most {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels"
        case OSError(strerror=str(reason)):
            return reason.lower()
    return "truncated" if "truncated" in str(error).lower() else plain(str(error) or type(error).__name__, 60)


def _beginning(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(8)
