"""Read images with more than 8 bits per value, and scale them to 8 bits."""

import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

_PHOTOMETRIC, _BITS, _FORMAT = 262, 258, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
# The usual ranges of floating-point images.
_FLOAT_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
# A usual range is chosen if the values use at least this part of it.
_USED = 1 / 4


class Range(NamedTuple):
    """The values that become 0 and 255. Values beyond them are clipped."""

    low: float
    high: float

    def __str__(self) -> str:
        if self.low >= 0 and float(self.low).is_integer() and float(self.high).is_integer():
            return f"{self.low:.0f}-{self.high:.0f}"
        return f"{self.low:.6g} to {self.high:.6g}"


@dataclass(frozen=True)
class Depth:
    """How an image stores values of more than 8 bits. Images with the same `name` are scaled from the same range.
    `unsigned` means that Pillow returns the values as signed ones, `inverted` that 0 is white."""

    name: str
    unsigned: bool = False
    inverted: bool = False


def depth_of(image: ImageFile.ImageFile) -> Depth | None:
    """Return how the image stores its values; None if Pillow decodes them to 8 bits without loss."""
    if image.mode in ("RGB", "RGBA"):
        return Depth("16-bit") if _has_16_bit_channels(image) else None
    if image.mode != "F" and not image.mode.startswith("I"):
        return None
    tags: Any = getattr(image, "tag_v2", {})
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if image.mode == "F":
        return Depth("floating-point", inverted=inverted)
    if image.mode != "I":
        return Depth("16-bit", inverted=inverted)
    if not tags:
        # Pillow scales Netpbm files to 16 bits.
        return Depth(f"16-bit {image.format}")
    bits, signed = tags.get(_BITS, (32,))[0], tags.get(_FORMAT, (1,))[0] == _SIGNED
    return Depth(f"{'signed ' if signed else ''}{bits}-bit", unsigned=not signed, inverted=inverted)


def read_values(image: ImageFile.ImageFile, depth: Depth) -> NDArray[Any]:
    """Return the stored values of the upright image: (H, W), or (H, W, C) for colors."""
    if image.mode in ("RGB", "RGBA"):
        return _read_16_bit_channels(image)
    _use_native_order(image)
    values = np.asarray(ImageOps.exif_transpose(image))
    return values.view(np.uint32) if depth.unsigned else values


def to_8_bits(image: ImageFile.ImageFile, depth: Depth, span: Range) -> tuple[Image.Image, bool]:
    """Return the upright image, scaled from `span` to 8 bits, and whether it has values beyond `span`. NaN becomes the
    low end. Raises ValueError if the image has no finite value."""
    if image.mode in ("RGB", "RGBA") and span == (0, 65535):
        # Pillow's own conversion keeps the upper 8 bits.
        return ImageOps.exif_transpose(image), False
    values = read_values(image, depth)
    colors, alpha = (values[..., :3], values[..., 3:]) if values.ndim == 3 else (values, None)
    finite = colors[np.isfinite(colors)]
    if not finite.size:
        raise ValueError("no finite value")
    pixels = _scaled_floats(colors, span) if values.dtype.kind == "f" else _scaled_integers(colors, span)
    if depth.inverted:
        pixels = 255 - pixels
    if alpha is not None and alpha.size:
        pixels = np.concatenate([pixels, (alpha >> 8).astype(np.uint8)], axis=2)
    beyond = bool(finite.min() < span.low or finite.max() > span.high)
    return Image.fromarray(pixels), beyond


def _scaled_floats(values: NDArray[Any], span: Range) -> NDArray[np.uint8]:
    low, high = span
    finite = np.nan_to_num(values, nan=low, posinf=high, neginf=low).clip(low, high)
    scaled: NDArray[np.uint8] = ((finite - low) * (255 / (high - low))).astype(np.uint8)
    return scaled


def _scaled_integers(values: NDArray[Any], span: Range) -> NDArray[np.uint8]:
    low, high = int(span.low), int(span.high)
    offset, width = values.astype(np.int64).clip(low, high) - low, high - low
    # If the range has 2**n values, this keeps the upper 8 bits of each.
    return (offset * 256 // (width + 1) if width >= 255 else offset * 255 // max(1, width)).astype(np.uint8)


def usual_range(low: float, high: float, *, integers: bool) -> Range:
    """Return the range for values between `low` and `high`: a usual range that contains them, such as 12 bits, or `low`
    to `high` if the values use little of it or are negative integers."""
    if not integers:
        usual = [Range(*span) for span in _FLOAT_RANGES if span[0] <= low and high <= span[1]]
    elif low >= 0:
        usual = [Range(0, 2 ** max(8, int(high).bit_length()) - 1)]
        if high <= 255:
            return usual[0]
    else:
        usual = []
    for span in usual:
        if high - low >= _USED * (span.high - span.low):
            return span
    if low == high:
        return usual[0] if usual else Range(low, low + 255)
    return Range(low, max(high, low + 255) if integers else high)


def _has_16_bit_channels(image: ImageFile.ImageFile) -> bool:
    return len(image.tile) == 1 and _raw_mode(image.tile[0]).removeprefix(image.mode) in (";16B", ";16L", ";16N")


def _raw_mode(tile: Any) -> str:
    """Return how the bytes of a tile are laid out."""
    mode = tile.args if isinstance(tile.args, str) else tile.args[0] if tile.args else ""
    return mode if isinstance(mode, str) else ""


def _with_raw_mode(tile: Any, mode: str) -> Any:
    return tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:]))


def _read_16_bit_channels(image: ImageFile.ImageFile) -> NDArray[Any]:
    """Decode the file twice: Pillow returns the upper byte of each value and, in the opposite byte order, the lower."""
    with Image.open(image.filename) as lower:
        lower.tile = [_with_raw_mode(tile, (mode := _raw_mode(tile))[:-1] + _SWAPPED[mode[-1]]) for tile in lower.tile]
        both = [np.asarray(ImageOps.exif_transpose(part)).astype(np.uint16) for part in (image, lower)]
    return both[0] << 8 | both[1]


def _use_native_order(image: ImageFile.ImageFile) -> None:
    """Let Pillow read the output of libtiff in the byte order of the machine, which it assumes only for 16 bits."""
    image.tile = [
        _with_raw_mode(tile, _raw_mode(tile).replace("B", "N")) if tile.codec_name == "libtiff" else tile
        for tile in image.tile
    ]


def _list_more_tiffs() -> None:
    """Let Pillow open kinds of TIFF that it can decode but does not list."""
    for prefix, order, native in ((b"II", "", "I;16"), (b"MM", "B", "I;16B")):
        for photometric in (0, 1):
            for sample, bits, mode, raw in (
                (1, 12, "I;16", "I;12"),
                (1, 16, native, native),
                (2, 16, "I", f"I;16{order}S"),
                (1, 32, "I", f"I;32{order}S"),
                (2, 32, "I", f"I;32{order}S"),
                (3, 32, "F", f"F;32{order}F"),
                (3, 64, "F", f"F;64{order}F"),
            ):
                key = (prefix, photometric, (sample,), 1, (bits,), ())
                TiffImagePlugin.OPEN_INFO.setdefault(key, (mode, raw))
            # Pillow reads signed bytes as unsigned ones.
            TiffImagePlugin.OPEN_INFO[prefix, photometric, (_SIGNED,), 1, (8,), ()] = ("I", "I;8S")


_list_more_tiffs()
