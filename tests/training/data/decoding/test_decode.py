"""Decode images of all kinds."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.image_folders import CPU, classes_of, images, noise, read
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.normalize import Normalizer


def test_grey_where_all_are_grey(tmp_path: Path) -> None:
    grey = classes_of(tmp_path / "grey", {"a": 3, "b": 3}, "L")
    assert read(grey).shape == (1, 8, 8)
    assert read(grey, channels="rgb").shape == (3, 8, 8)
    noise(grey / "a/colour.png", 0)
    assert read(grey).shape == (3, 8, 8)
    assert read(grey, channels="grey").shape == (1, 8, 8)


def first_pixels(folder: Path, save: Callable[[Path], None], **settings: Any) -> torch.Tensor:
    """Return the pixel values (0 to 255) of the image that `save` writes, read among black and white images."""
    for name in ("a/0.png", "a/255.png", "b/0.png", "b/255.png"):
        path = folder / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), int(path.stem)).save(path)
    (folder / "test/a").mkdir(parents=True)
    save(folder / "test/a")
    data = read(folder, validation=0, normalize=False, **{"channels": "rgb", **settings})
    assert data.notes[0].startswith("classes without test images: b")
    return images(data.test)[0].float()


def save_16_bit(folder: Path) -> None:
    Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16)).save(folder / "x.png")


def save_float(folder: Path) -> None:
    Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)).save(folder / "x.tiff")


def save_palette(folder: Path) -> None:
    Image.new("RGB", (8, 8), (10, 20, 30)).quantize().save(folder / "x.png")


@pytest.mark.parametrize(
    ("save", "colour"),
    [
        (save_16_bit, (200, 200, 200)),
        (save_float, (127, 127, 127)),
        (save_palette, (10, 20, 30)),
        (lambda folder: Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(folder / "x.png"), (255, 255, 255)),
        (lambda folder: Image.new("LA", (8, 8), (90, 255)).save(folder / "x.png"), (90, 90, 90)),
        (lambda folder: Image.new("1", (8, 8), 1).save(folder / "x.bmp"), (255, 255, 255)),
        (lambda folder: Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(folder / "x.tif"), (0, 0, 0)),
        (lambda folder: Image.new("L", (300, 200), 90).save(folder / "x.jpg"), (90, 90, 90)),
    ],
)
def test_every_kind_of_image_has_its_colour(
    tmp_path: Path, save: Callable[[Path], None], colour: tuple[int, ...]
) -> None:
    pixels = first_pixels(tmp_path, save)
    assert torch.equal(pixels.round(), torch.tensor(colour).view(3, 1, 1).expand(3, 8, 8).float())


def test_the_middle_is_kept_and_upright(tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        # As stored: black left, white right and grey beyond the middle square; to be turned by 90 degrees.
        image = Image.new("L", (32, 16), 128)
        image.paste(0, (8, 0, 16, 16))
        image.paste(255, (16, 0, 24, 16))
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(folder / "x.png", exif=exif)

    pixels = first_pixels(tmp_path, save, channels="grey")[0]
    # At the seam, and at the edges of the square, neighbours mix.
    assert pixels[1:3].max() == 0
    assert pixels[5:7].min() == 255


def test_a_constant_channel_is_not_divided_by_zero(tmp_path: Path) -> None:
    for name, colour in {"a": (0, 50, 100), "b": (0, 150, 100)}.items():
        (tmp_path / name).mkdir()
        for index in range(4):
            Image.new("RGB", (8, 8), colour).save(tmp_path / name / f"{index}.png")
    data = read(tmp_path, validation=0)
    assert data.std[0] == data.std[2] == 1
    assert data.mean == pytest.approx((0, 100 / 255, 100 / 255))
    assert Normalizer(data.normalization, CPU)(images(data.train)).isfinite().all()


@pytest.mark.parametrize("stray", [1, 255])
def test_a_nearly_constant_channel_is_not_divided_by_nearly_zero(tmp_path: Path, stray: int) -> None:
    for index in range(8):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        noise(path, index, size=(8, 8))
        pixels = np.array(Image.open(path))
        pixels[..., 2] = 100
        if index == 3:
            pixels[0, 0, 2] = stray
        Image.fromarray(pixels).save(path)
    data = read(tmp_path, validation=0)
    assert data.std[2] >= 1 / 255
    assert Normalizer(data.normalization, CPU)(images(data.train)).abs().max() <= 255


@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda path: Image.new("L", (8, 8)).save(path), "uniform: their pixels are 0 of 255"),
        (lambda path: Image.new("RGB", (8, 8), "white").save(path), "uniform: their pixels are 255 of 255"),
        (
            lambda path: Image.fromarray(np.full((8, 8), 9, np.uint16)).save(path),
            r"uniform: their pixels are 9 of 255 \(8 images have 16-bit values 0-255, scaled to 0-255\)",
        ),
        (lambda path: noise(path, 0), "equal"),
    ],
)
def test_images_that_are_all_alike_are_refused(
    tmp_path: Path, save: Callable[[Path], None], message: str, normalize: bool, storage: str
) -> None:
    for index in range(8):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        save(path)
    with pytest.raises(DataError, match=f"All training images are {message}. Look at one of them: .*png"):
        read(tmp_path, validation=0, normalize=normalize, storage=storage)


def test_little_contrast_is_reported(tmp_path: Path) -> None:
    for index in range(8):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), index % 2).save(path)
    assert read(tmp_path, validation=0).notes[-1] == (
        "the images have little contrast: standard deviation 0.50 of 255 grey levels"
    )


# 64x48 pixels, the left half red, the right half blue; the camera was turned, so that red is at the top.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAAB7AABAAAAAAAAAGsAAgAAAAACVwABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkA"
    "AAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEH"
    "BpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAJdtZGF0AAAA"
    "ZygBrwngOSMkv//6Mb//+EaeQ/a5hcF//cw/ff4qbv/+6wXURjWLLH2jvL7/A+znFWIxzHHhHLW9xl2TFdlXKvRGjP3RgPLhqylPa1UJAJh/uE"
    "S5pPNBjzUigbnnfr+apDJbt0egqwsAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA="
)


def save_heic(path: Path) -> None:
    path.write_bytes(HEIC)


def save_avif(path: Path) -> None:
    image = Image.new("RGB", (64, 48), (200, 30, 30))
    image.paste((20, 40, 220), (32, 0, 64, 48))
    image.transpose(Image.Transpose.ROTATE_270).save(path, "AVIF", quality=90)


@pytest.mark.parametrize(("save", "name"), [(save_heic, "IMG.HEIC"), (save_heic, "no suffix"), (save_avif, "x.avif")])
def test_pictures_of_phones(tmp_path: Path, save: Callable[[Path], None], name: str) -> None:
    for label in ("red", "blue"):
        classes_of(tmp_path, {label: 4})
        save(tmp_path / label / name)
    paths = [path for files in FolderSplits.scan(Data(dir=str(tmp_path)), 0).splits.values() for path in files.paths]
    assert str(tmp_path / "red" / name) in paths
    top, bottom = ImageReader(16, "RGB")(str(tmp_path / "red" / name))[:, [2, 13], 8].T.tolist()
    assert top == pytest.approx([200, 30, 30], abs=8)
    assert bottom == pytest.approx([20, 40, 220], abs=8)


@pytest.mark.parametrize("save", [save_heic, save_avif])
def test_a_truncated_picture_of_a_phone_is_left_out(tmp_path: Path, save: Callable[[Path], None]) -> None:
    folder = classes_of(tmp_path, {"a": 4, "b": 4})
    save(folder / "a/x.heic")
    (folder / "a/x.heic").write_bytes((folder / "a/x.heic").read_bytes()[:-100])
    assert any("could not be read: a/x.heic" in note for note in read(folder).notes)
