"""Open image files within the limit on pixels, and complete JPEGs that lack their end marker."""

import os
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from tuitrain.image_folder.heif import register_heif

register_heif()

_BEGIN = b"\xff\xd8"
_END = b"\xff\xd9"
# Data that decodes to different pixels if a JPEG lacks some; the last one begins with restart markers.
_CONTINUATIONS = (
    b"",
    *(bytes([value]) * 64 for value in (0x00, 0x55, 0xAA, 0xFE)),
    bytes(range(1, 255)),
    b"".join(bytes([0xFF, marker]) + b"\x55" * 16 for marker in range(0xD0, 0xD8)),
)


def open_image(source: str | BinaryIO, mode: str = "RGB", size: int | None = None) -> ImageFile.ImageFile:
    """Open an image to decode it in `mode`, L or RGB. A JPEG is decoded at the smallest scale that is still at least
    twice as large as `size`. Raises DecompressionBombError if more pixels would be decoded than Pillow allows."""
    try:
        image: ImageFile.ImageFile = Image.open(source)
    except Image.DecompressionBombError:
        # Pillow refuses by the size of the whole image.
        image = _open_large_jpeg(source)
    if size is not None:
        image.draft(mode, draft_size(size))
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            image.close()
            raise Image.DecompressionBombError
    return image


def draft_size(size: int) -> tuple[int, int]:
    """Return the smallest width and height at which a JPEG may be decoded that is then resized to `size`."""
    return 2 * size, 2 * size


def _open_large_jpeg(source: str | BinaryIO) -> ImageFile.ImageFile:
    try:
        if not isinstance(source, str):
            source.seek(0)
        image = JpegImageFile(source)
    except SyntaxError:
        raise Image.DecompressionBombError from None
    if "progressive" in image.info:
        # Decoding a progressive JPEG takes memory for all its coefficients, whatever the scale.
        image.close()
        raise Image.DecompressionBombError
    return image


def is_whole(image: ImageFile.ImageFile) -> bool:
    """Return True if the structure of an open image file shows that all its pixels can be decoded, and False if only
    decoding can tell. Raises one of many exceptions if the file is damaged."""
    if image.format == "PNG":
        image.verify()
        return True
    if image.format in ("JPEG", "MPO") and image.fp is not None:
        image.fp.seek(-len(_END), os.SEEK_END)
        return bool(image.fp.read() == _END)
    return False


def completed_jpeg(path: str) -> BytesIO | None:
    """Return the file with an end marker if it is a JPEG that lacks only the marker, otherwise None.

    Decoders fill missing pixels with gray instead of failing. No pixel is missing if all pixels stay the same whatever
    data follows.
    """
    with suppress(Exception):  # Pillow's decoders raise many kinds of exceptions for damaged files.
        with Path(path).open("rb") as file:
            # The file may end with the first byte of the end marker.
            data = file.read().rstrip(_END[:1]) if file.peek(2)[:2] == _BEGIN else b""
        if _has_all_scans(data):
            first, *others = (data + more + _END for more in _CONTINUATIONS)
            pixels = _decoded(first)
            if all(_decoded(other) == pixels for other in others):
                return BytesIO(first)
    return None


def _decoded(data: bytes) -> bytes:
    with open_image(BytesIO(data)) as image:
        scale = 1
        while Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS * scale**2:
            scale *= 2
        image.draft(None, (image.width // scale, image.height // scale))
        return image.tobytes()


def _has_all_scans(data: bytes) -> bool:
    """Return whether the scan headers of a JPEG announce all bits of all its coefficients."""
    components, complete = 0, set()
    position = 2
    while position + 4 <= len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = body[5]
        if marker == 0xDA:
            # Component ids, then the first and last coefficient, and the lowest bit that the scan contains.
            first, last, lowest = body[-3:]
            if lowest & 15 == 0:
                complete |= {(name, index) for name in body[1:-3:2] for index in range(first, last + 1)}
            position = _end_of_scan(data, position)
    return components > 0 and len(complete) == 64 * components


def _end_of_scan(data: bytes, position: int) -> int:
    """Return the position of the first marker after the data of a scan, which contains stuffed bytes and restarts."""
    while (position := data.find(b"\xff", position)) >= 0:
        if position + 1 < len(data) and data[position + 1] not in (0, *range(0xD0, 0xD8)):
            return position
        position += 2
    return len(data)
