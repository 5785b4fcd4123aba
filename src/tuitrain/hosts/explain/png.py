"""Write an explanation as a PNG file: the image, and beside it the image with the heat map."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from tuitrain.files import replace
from tuitrain.hosts.explain.explained import Explained, SmallPicture
from tuitrain.output_file import not_written

if TYPE_CHECKING:
    from PIL import Image as Images

# Smaller images are enlarged; pixels between both pictures.
_HEIGHT, _GAP = 224, 8


def write_png(explained: Explained, path: Path) -> None:
    """Write the file completely or not at all. Raise RunError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, png_bytes(explained))
    except OSError as error:
        raise not_written(path, error) from None


def png_bytes(explained: Explained) -> bytes:
    from PIL import Image

    factor = -(-_HEIGHT // explained.picture.height)
    size = explained.picture.width * factor, explained.picture.height * factor
    sheet = Image.new("RGB", (2 * size[0] + _GAP, size[1]), "white")
    for number, picture in enumerate((explained.picture, explained.heated)):
        large = _image(picture).resize(size, Image.Resampling.NEAREST)
        sheet.paste(large, (number * (size[0] + _GAP), 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _image(picture: SmallPicture) -> "Images.Image":
    from PIL import Image

    mode = "L" if picture.channels == 1 else "RGB"
    return Image.frombytes(mode, (picture.width, picture.height), picture.pixels).convert("RGB")
