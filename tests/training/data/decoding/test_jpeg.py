"""Pillow and the operator of torchvision give the same pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tuitrain.training.data.decoding import decode, jpeg
from tuitrain.training.data.decoding.decode import ImageError, ImageReader
from tuitrain.training.torch_internals import jpeg_decoder

Outcome = torch.Tensor | str
KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0}, "4:2:2": {"subsampling": 1}, "4:2:0": {"subsampling": 2}, "coarse": {"quality": 5},
    "progressive": {"progressive": True}, "restarts": {"restart_marker_blocks": 3}, "rgb": {"keep_rgb": True},
}  # fmt: skip


def photo(mode: str = "RGB", size: tuple[int, int] = (61, 45)) -> Image.Image:
    """Return a smooth image with some noise, as JPEG expects."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = rng.integers(-20, 20, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(small) + noise).clip(0, 255).astype(np.uint8)).convert(mode)


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], tuple[Outcome, Outcome, int]]:
    """`outcomes(path, mode)` returns what Pillow alone and tuitrain read, and how often torchvision decoded."""
    real, used = jpeg.decode_jpeg, []

    def read(path: Path, mode: str) -> Outcome:
        try:
            return ImageReader(32, mode)(str(path))
        except ImageError as error:
            return str(error)

    def noted(*arguments: Any) -> torch.Tensor | None:
        image = real(*arguments)
        used.extend([] if image is None else [1])
        return image

    def both(path: Path, mode: str) -> tuple[Outcome, Outcome, int]:
        monkeypatch.setattr(decode, "decode_jpeg", lambda *_: None)
        expected = read(path, mode)
        monkeypatch.setattr(decode, "decode_jpeg", noted)
        return expected, read(path, mode), len(used)

    return both


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_pillow(outcomes: Any, tmp_path: Path, kind: str, mode: str) -> None:
    photo().save(tmp_path / "a.jpg", **KINDS[kind])
    expected, given, used = outcomes(tmp_path / "a.jpg", mode)
    assert torch.equal(expected, given)
    assert used == 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("saved", "size", "orientation", "decoded"), [
    ("L", (61, 45), 1, 1), ("CMYK", (61, 45), 1, 0), ("RGB", (61, 45), 6, 0), ("RGB", (61, 45), 0, 0),
    ("RGB", (200, 150), 1, 0),
])  # fmt: skip
def test_other_files_are_read_by_pillow(
    outcomes: Any, tmp_path: Path, saved: str, size: tuple[int, int], orientation: int, decoded: int, mode: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(saved, size).save(tmp_path / "a.jpg", exif=exif)
    expected, given, used = outcomes(tmp_path / "a.jpg", mode)
    assert torch.equal(expected, given)
    assert used == decoded


def test_damaged_files_are_read_or_refused_as_by_pillow(outcomes: Any, tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg", restart_marker_blocks=3)
    whole, rng = (tmp_path / "a.jpg").read_bytes(), np.random.default_rng(1)
    kinds = set()
    for number in range(150):
        content = bytearray(whole)
        place = int(rng.integers(2, len(whole)))
        if number % 3 == 0:
            content[place] ^= int(rng.integers(1, 256))
        elif number % 3 == 1:
            del content[place : place + int(rng.integers(1, 50))]
        else:
            del content[place:]
        (tmp_path / "a.jpg").write_bytes(content)
        expected, given, _ = outcomes(tmp_path / "a.jpg", "RGB")
        kinds.add(type(expected))
        assert expected == given if isinstance(expected, str) else torch.equal(expected, given)
    assert kinds == {str, torch.Tensor}


def test_without_the_operator_pillow_decodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg")
    expected = ImageReader(32, "RGB")(str(tmp_path / "a.jpg"))
    monkeypatch.setattr("tuitrain.training.data.decoding.jpeg.jpeg_decoder", lambda: None)
    assert torch.equal(ImageReader(32, "RGB")(str(tmp_path / "a.jpg")), expected)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    jpeg_decoder.cache_clear()
    assert jpeg_decoder() is None
    jpeg_decoder.cache_clear()
