"""Photos of any shape become squares."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from tuitrain.config.data.schema import Resize
from tuitrain.training.data.decoding.decode import ImageReader, aspect_of
from tuitrain.training.data.decoding.resize import Interpolation
from tuitrain.training.data.decoding.whole_photos import aspects


def photo(path: Path, width: int, height: int, orientation: int = 1) -> str:
    """Save a photo whose red value is 2 x and whose green value is 2 y, in true coordinates."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 2 * np.arange(width)
    pixels[..., 1] = 2 * np.arange(height)[:, None]
    pixels[..., 2] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return str(path)


def span(image: torch.Tensor) -> tuple[float, float, float, float]:
    """Return the true coordinates of the first and last column and row, from the middle of the image."""
    middle = image.shape[1] // 2
    x, y = image[0, middle] / 2, image[1, :, middle] / 2
    return x[0].item(), x[-1].item(), y[0].item(), y[-1].item()


@pytest.mark.parametrize(
    ("width", "height", "resize", "fraction", "expected"),
    [
        (120, 60, "crop", 1.0, (30, 90, 0, 60)),
        (60, 120, "crop", 1.0, (0, 60, 30, 90)),
        (120, 60, "crop", 0.5, (45, 75, 15, 45)),
        (120, 60, "squash", 1.0, (0, 120, 0, 60)),
        (120, 60, "squash", 0.5, (0, 120, 0, 60)),
    ],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_the_part_of_a_photo_that_is_read(
    tmp_path: Path, width: int, height: int, resize: Resize, fraction: float, expected: tuple[float, ...],
    interpolation: Interpolation,
) -> None:  # fmt: skip
    path = photo(tmp_path / "x.png", width, height)
    read = ImageReader(20, "RGB", resize=resize, crop_fraction=fraction, interpolation=interpolation)
    # The first and last pixels lie half a pixel inside.
    assert span(read(path)) == pytest.approx(expected, abs=4)


def test_photos_that_are_enlarged_are_not_cropped_further(tmp_path: Path) -> None:
    path = photo(tmp_path / "x.png", 60, 60)
    assert torch.equal(ImageReader(64, "RGB", crop_fraction=0.5)(path), ImageReader(64, "RGB")(path))
    assert not torch.equal(ImageReader(32, "RGB", crop_fraction=0.5)(path), ImageReader(32, "RGB")(path))


@pytest.mark.parametrize(("width", "height"), [(120, 60), (60, 120), (120, 1), (1, 120), (1, 1), (30, 30)])
def test_pad_shows_the_whole_photo_between_black_bars(tmp_path: Path, width: int, height: int) -> None:
    image = ImageReader(20, "RGB", resize="pad")(photo(tmp_path / "x.png", width, height))
    inside = image[2] == 255
    rows, columns = inside.any(1).sum().item(), inside.any(0).sum().item()
    longest = max(width, height)
    assert (rows, columns) == (max(1, 20 * height // longest), max(1, 20 * width // longest))
    assert (image[:, ~inside] == 0).all()
    first = (20 - rows) // 2
    assert inside[first : first + rows].any(1).all()


def test_the_interpolation_is_used(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    methods: tuple[Interpolation, ...] = ("nearest", "bilinear", "bicubic", "lanczos")
    results = [ImageReader(20, "L", interpolation=method)(str(tmp_path / "x.png")) for method in methods]
    assert not any(torch.equal(one, other) for one in results for other in results if one is not other)


def test_aspects_of_upright_photos(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{turn}.jpg", 120, 60, turn) for turn in (1, 3, 6, 8)]
    (tmp_path / "no image").write_text("x")
    assert [aspect_of(path) for path in paths] == [2, 2, 0.5, 0.5]
    assert aspects([*paths, str(tmp_path / "no image"), photo(tmp_path / "x.png", 100, 1)]).tolist() == [
        2, 2, 0.5, 0.5, 1, 50,
    ]  # fmt: skip
