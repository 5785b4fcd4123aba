"""Decode JPEG files with torchvision's operator, which gives the same pixels as Pillow in two thirds of the time."""

import numpy as np
import torch
from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from tuitrain.training.torch_internals import jpeg_decoder

_END = b"\xff\xd9"
_ORIENTATION = 0x0112
# The color modes of `torchvision.io.ImageReadMode`.
_MODES = {"L": 1, "RGB": 3}


def decode_jpeg(image: ImageFile.ImageFile, path: str, mode: str) -> Tensor | None:
    """Return the pixels (C, H, W) uint8 of the file at `path`, which is open as `image`, in `mode`, L or RGB. Return
    None if Pillow must decode it: other kinds of files, smaller scales, rotations, and files that may be damaged."""
    decoder = jpeg_decoder()
    if decoder is None or not _is_plain(image):
        return None
    data = np.fromfile(path, dtype=np.uint8)
    if data[-2:].tobytes() != _END:
        return None
    try:
        return decoder(torch.from_numpy(data), _MODES[mode])
    except RuntimeError:
        return None


def _is_plain(image: ImageFile.ImageFile) -> bool:
    """Return whether the image is a JPEG of one frame with 8 bits in grey or color, at its own scale and upright."""
    if type(image) is not JpegImageFile or image.mode not in _MODES:
        return False
    # Pillow stores here the scale that `draft` has chosen.
    scale = image.decoderconfig[0] if image.decoderconfig else 1
    return scale <= 1 and image.getexif().get(_ORIENTATION, 1) == 1
