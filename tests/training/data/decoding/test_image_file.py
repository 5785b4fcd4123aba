"""Large images, and images without an end."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.image_folders import classes_of, read
from tuitrain.training.data.decoding.decode import ImageError, ImageReader
from tuitrain.training.data.splits import Split


def photo(width: int, height: int, **options: Any) -> bytes:
    """Return a smooth image with noise as a JPEG."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).normal(0, 8, (height, width))
    values = (100 * np.sin(columns / 40) * np.cos(rows / 30) + 128 + noise).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    Image.merge("RGB", [Image.fromarray(plane) for plane in (values, 255 - values, values // 2)]).save(
        file, "JPEG", **options
    )
    return file.getvalue()


def every(split: Split) -> torch.Tensor:
    return torch.cat([images for images, _ in split.batches(torch.arange(len(split)), 4)])


KINDS = [
    {},
    {"progressive": True},
    {"optimize": True, "quality": 30},
    {"restart_marker_rows": 1},
    {"subsampling": 0, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"},
]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(tmp_path: Path, options: dict[str, Any], missing: int) -> None:
    whole = photo(61, 45, **options)
    (tmp_path / "whole.jpg").write_bytes(whole)
    (tmp_path / "cut.jpg").write_bytes(whole[:-missing])
    read_image = ImageReader(16, "RGB")
    read_image.check(str(tmp_path / "cut.jpg"))
    assert torch.equal(read_image(str(tmp_path / "cut.jpg")), read_image(str(tmp_path / "whole.jpg")))


@pytest.mark.parametrize("options", KINDS)
def test_a_truncated_jpeg_is_not(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = photo(61, 45, **options)
    read_image, path = ImageReader(16, "RGB"), tmp_path / "cut.jpg"
    beginning = whole.index(b"\xff\xda") + 30
    for end in range(beginning, len(whole) - 2, 1 if "restart_marker_rows" in options else 7):
        path.write_bytes(whole[:end])
        for attempt in (read_image, read_image.check):
            with pytest.raises(ImageError):
                attempt(str(path))


def test_both_storages_leave_out_the_same_images(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 4, "b": 4})
    classes_of(tmp_path / "test", {"a": 3, "b": 3})
    whole = photo(61, 45)
    for split in ("train", "test"):
        (tmp_path / split / "a/endless.jpg").write_bytes(whole[:-2])
        (tmp_path / split / "b/cut.jpg").write_bytes(whole[: len(whole) // 2])
        for suffix in ("bmp", "gif", "png", "tif", "webp", "jp2"):
            Image.open(BytesIO(whole)).save(file := BytesIO(), {"tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix))
            (tmp_path / split / f"b/cut.{suffix}").write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    held, streamed = (read(tmp_path, validation=0.25, storage=storage) for storage in ("memory", "stream"))
    assert held.notes == streamed.notes
    assert held.notes[0].startswith("14 images could not be read: train/b/cut.bmp (")
    for name in ("train", "validation", "test"):
        one, other = getattr(held, name), getattr(streamed, name)
        assert one.files == other.files
        assert torch.equal(every(one), every(other))
    assert any("endless" in file for file in held.test.files)


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("size", [(300, 200), (200, 150), (1200, 900)])
def test_a_large_jpeg_counts_by_the_pixels_that_are_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    classes_of(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a/phone.jpg").write_bytes(photo(*size))
    for storage in ("memory", "stream"):
        assert not any("could not be read" in note for note in read(tmp_path, validation=0, storage=storage).notes)
    (tmp_path / "a/endless.jpg").write_bytes(photo(*size)[:-2])
    whole, cut = (ImageReader(8, "RGB")(str(tmp_path / "a" / name)) for name in ("phone.jpg", "endless.jpg"))
    assert torch.equal(whole, cut)


@pytest.mark.usefixtures("small_limit")
def test_other_large_images_are_refused_with_the_remedy(tmp_path: Path) -> None:
    classes_of(tmp_path, {"a": 3, "b": 3})
    Image.new("RGB", (300, 200)).save(tmp_path / "a/bomb.png")
    Image.new("RGB", (200, 150)).save(tmp_path / "a/large.tif")
    (tmp_path / "a/progressive.jpg").write_bytes(photo(300, 200, progressive=True))
    for storage in ("memory", "stream"):
        note = read(tmp_path, validation=0, storage=storage).notes[0]
        assert note.startswith("3 images could not be read")
        assert note.count("too many pixels: resize it to at most 0 megapixels") == 3


def test_a_kind_of_tiff_that_is_not_supported_is_named(tmp_path: Path) -> None:
    classes_of(tmp_path, {"a": 3, "b": 3})
    Image.new("F", (8, 8)).save(tmp_path / "a/half.tif")
    content = bytearray((tmp_path / "a/half.tif").read_bytes())
    content[content.index(b"\x02\x01\x03\0\x01\0\0\0\x20\0") + 8] = 16
    (tmp_path / "a/half.tif").write_bytes(content)
    (note,) = read(tmp_path, validation=0).notes
    assert note == "1 image could not be read: a/half.tif (a kind of TIFF that is not supported)"
