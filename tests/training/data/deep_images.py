"""Write images with more than 8 bits that Pillow cannot write."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMATS = {"u": 1, "i": 2, "f": 3}


def write_tiff(
    path: Path,
    values: NDArray[Any],
    *,
    order: str = "<",
    white_is_zero: bool = False,
    compressed: bool = False,
    orientation: int = 1,
    frames: int = 1,
) -> None:
    """Write `values`, (H, W) or (H, W, 3), as a TIFF of their type. Further frames are black."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    file = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    for frame in range(frames):
        pixels = (values if frame == 0 else np.zeros_like(values)).astype(values.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]
        pixels = zlib.compress(pixels) if compressed else pixels
        tags = {
            256: width, 257: height, 258: (8 * values.itemsize,) * channels, 259: 8 if compressed else 1,
            262: 2 if channels == 3 else 0 if white_is_zero else 1, 273: 0, 274: orientation, 277: channels,
            278: height, 279: len(pixels), 339: (_FORMATS[values.dtype.kind],) * channels,
        }  # fmt: skip
        start = len(file)
        after = start + 2 + 12 * len(tags) + 4
        lists = {258: after, 339: after + 2 * channels} if channels > 1 else {}
        tags[273] = after + (4 * channels if lists else 0)
        entries = b""
        for tag, value in tags.items():
            if tag in lists:
                entries += struct.pack(order + "HHII", tag, 3, channels, lists[tag])
            elif isinstance(value, tuple):
                entries += struct.pack(order + "HHIHH", tag, 3, 1, value[0], 0)
            else:
                entries += struct.pack(order + "HHII", tag, 4, 1, value)
        shorts = b"".join(struct.pack(f"{order}{channels}H", *tags[tag]) for tag in lists)
        end = tags[273] + len(pixels)
        following = struct.pack(order + "I", end if frame + 1 < frames else 0)
        file += struct.pack(order + "H", len(tags)) + entries + following + shorts + pixels
    path.write_bytes(file)


def write_png(path: Path, values: NDArray[np.uint16]) -> None:
    """Write `values`, (H, W, C) with 3 or 4 channels, as a PNG of 16 bits."""
    height, width, channels = values.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )
