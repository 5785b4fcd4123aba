"""A folder of photos of all kinds: other shapes, orientations, transparency, grayscale, several file formats."""

from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {"red": (220, 60, 50), "green": (60, 200, 80), "blue": (50, 70, 210)}


def write_photos(folder: Path, train: int = 12, test: int = 6) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for label, color in COLORS.items():
            (folder / split / label).mkdir(parents=True)
            for row in range(count):
                _write(folder / split / label, row, color, random)
    return folder


def _write(folder: Path, row: int, color: tuple[int, int, int], random: np.random.Generator) -> None:
    height, width = random.integers(20, 150, 2)
    # Coarse blocks of noise, so that resizing and cropping matter.
    coarse = random.normal(0, 60, (height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)[:height, :width]
    image = Image.fromarray((coarse + color).clip(0, 255).astype(np.uint8))
    match row % 4:
        case 0:
            exif = Image.Exif()
            exif[0x0112] = 6  # Turned by a quarter.
            image.save(folder / f"{row}.jpg", exif=exif)
        case 1:
            image.putalpha(Image.linear_gradient("L").resize(image.size))
            image.save(folder / f"{row}.png")
        case 2:
            image.convert("P").save(folder / f"{row}.png")
        case _:
            image.save(folder / f"{row}.jpg", quality=80)
