"""Read images with more than 8 bits per value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from training.data.deep_images import write_png, write_tiff
from training.data.image_folders import CPU, images, noise, read
from tuitrain.config.data.schema import Data
from tuitrain.runs.records import RunInfo
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.decoding.depth import Range
from tuitrain.training.data.decoding.value_ranges import ValueRanges
from tuitrain.training.data.load import load

Values = NDArray[Any]


def trained(**known: Any) -> RunInfo:
    """Return the record of a run on grey images of two classes."""
    return RunInfo(id="", name="", classes=["bright", "dark"], shape=(1, 8, 8), mean=[0.0], std=[1.0], **known)


def save(path: Path, values: Values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def dark_and_bright(folder: Path, write: Callable[[Path, Values], None], low: float, high: float, dtype: Any) -> Path:
    """Write 5 images of a dark and of a bright class. Each has values of the whole range, most of its own half."""
    random = np.random.default_rng(0)
    for name, part in {"dark": (0, 0.5), "bright": (0.5, 1)}.items():
        for number in range(5):
            values = low + random.uniform(*part, (8, 8)) * (high - low)
            values[0, :2] = low, high
            exact = values if np.issubdtype(dtype, np.floating) else values.round()
            write(folder / name / f"{number}.tif", exact.clip(low, high).astype(dtype))
    return folder


def pixels_of(data: Dataset) -> dict[str, torch.Tensor]:
    """Return the pixels (C, H, W) of the training images, 0 to 255, by class and file name."""
    pixels = images(data.train).float()
    return {"/".join(Path(file).parts[-2:]): image for file, image in zip(data.train.files, pixels, strict=True)}


def streamed_pixels(data: Dataset) -> torch.Tensor:
    return torch.cat([batch for batch, _ in data.train.batches(torch.arange(len(data.train)), 4)])


@pytest.mark.parametrize(
    ("write", "dtype", "low", "high", "note"),
    [
        (save, np.uint16, 0, 255, "16-bit values 0-255"),
        (save, np.uint16, 3, 3999, "16-bit values 0-4095"),
        (save, np.uint16, 0, 65535, "16-bit values 0-65535"),
        (save, np.uint16, 21000, 24000, "16-bit values 21000-24000"),
        (save, np.int32, 0, 255, "signed 32-bit values 0-255"),
        (save, np.int32, -1000, 3000, "signed 32-bit values -1000 to 3000"),
        (write_tiff, np.int16, -1024, 3071, "signed 16-bit values -1024 to 3071"),
        (write_tiff, np.int8, -128, 127, "signed 8-bit values -128 to 127"),
        (write_tiff, np.uint32, 0, 2**32 - 1, "32-bit values 0-4294967295"),
        (write_tiff, np.uint32, 2**31 - 300, 2**31 + 300, "32-bit values 2147483348-2147483948"),
        (save, np.float32, 0, 1, "floating-point values 0-1"),
        (save, np.float32, 0, 255, "floating-point values 0-255"),
        (save, np.float32, -1, 1, "floating-point values -1 to 1"),
        (save, np.float32, -3, 7, "floating-point values -3 to 7"),
        (save, np.float32, 0, 1.5, "floating-point values 0 to 1.5"),
        (save, np.float32, 0, 0.001, "floating-point values 0 to 0.001"),
        (write_tiff, np.float64, 0, 255, "floating-point values 0-255"),
    ],
)
def test_values_are_scaled_alike_from_the_range_of_the_data_set(
    tmp_path: Path, write: Callable[[Path, Values], None], dtype: Any, low: float, high: float, note: str
) -> None:
    dark_and_bright(tmp_path, write, low, high, dtype)
    data = read(tmp_path, validation=0, normalize=False)
    assert data.notes[-1] == f"10 images have {note}, scaled to 0-255"
    pixels = pixels_of(data)
    means = {name: np.mean([image.mean() for file, image in pixels.items() if name in file]) for name in data.classes}
    assert 55 < means["dark"] < 75
    assert 180 < means["bright"] < 200
    span = data.value_ranges[note.partition(" values")[0]]
    for image in pixels.values():
        assert image[0, 0, 0] <= max(0, low) / (span.high - span.low)
        assert image[0, 0, 1] >= (high - span.low) / (span.high - span.low) * 255 - 1
    assert len(np.unique(np.stack(list(pixels.values())))) > 150
    streamed = read(tmp_path, validation=0, normalize=False, storage="stream")
    assert streamed.notes == data.notes
    assert torch.equal(streamed_pixels(streamed), images(data.train))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.uint32, np.float32, np.float64])
def test_byte_orders_and_compression_change_nothing(tmp_path: Path, order: str, compressed: bool, dtype: Any) -> None:
    values = np.arange(64, dtype=dtype).reshape(8, 8)
    write_tiff(tmp_path / "x.tif", values, order=order, compressed=compressed)
    read_image = ImageReader(8, "L", ValueRanges(fixed=Range(0, 255)))
    assert torch.equal(read_image(str(tmp_path / "x.tif"))[0], torch.arange(64).view(8, 8))


@pytest.mark.parametrize(("top", "levels"), [(65535, 256), (4095, 256), (255, 256)])
def test_white_is_zero_is_not_inverted(tmp_path: Path, top: int, levels: int) -> None:
    values = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    for name in "ab":
        for number in range(3):
            write_tiff(tmp_path / f"{name}/{number}.tif", np.roll(values, number), white_is_zero=True)
    data = read(tmp_path, validation=0, normalize=False, image_size=16)
    image = pixels_of(data)["a/0.tif"][0].flatten()
    assert image[0] == 255
    assert image[-1] == 0
    assert len(np.unique(image)) == levels


@pytest.mark.parametrize("write", [write_png, write_tiff])
@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_colors_of_16_bits_keep_all_8_bits(tmp_path: Path, write: Callable[[Path, Values], None], top: int) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, top + 1, (6, 8, 8, 3)).astype(np.uint16)
    values[:, 0, 0] = 0, top, top // 2
    for number in range(6):
        write(tmp_path / f"{'ab'[number % 2]}/{number}.{'png' if write is write_png else 'tif'}", values[number])
    data = read(tmp_path, validation=0, normalize=False)
    for file, image in pixels_of(data).items():
        expected = values[int(file[2])].astype(int) * 256 // (top + 1)
        assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)


def test_alpha_of_16_bits_is_not_scaled(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 65535, dtype=np.uint16)
    for number in range(6):
        values[..., :3] = 500 * number
        values[:4, :, 3] = 0
        write_png(tmp_path / f"{'ab'[number % 2]}/{number}.png", values)
    data = read(tmp_path, validation=0, normalize=False)
    for file, image in pixels_of(data).items():
        assert (image[:, :4] == 255).all()
        assert (image[:, 4:] == 500 * int(file[2]) // 16).all()


def test_nan_and_infinity_are_black_and_white(tmp_path: Path) -> None:
    for number in range(6):
        values = np.full((8, 8), 0.25 + number / 10, dtype=np.float32)
        values[0, :4] = np.nan, np.inf, -np.inf, 1
        save(tmp_path / f"{'ab'[number % 2]}/{number}.tif", values)
    save(tmp_path / "a/nan.tif", np.full((8, 8), np.nan, dtype=np.float32))
    for storage in ("memory", "stream"):
        data = read(tmp_path, validation=0, normalize=False, storage=storage)
        pixels = streamed_pixels(data)
        assert (pixels[:, 0, 0, :4].round() == torch.tensor([0.0, 255, 0, 255])).all()
        assert data.notes[1] == "1 image could not be read: a/nan.tif (no finite value)"


def test_orientation_frames_and_kinds_together(tmp_path: Path) -> None:
    values = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    for number in range(4):
        write_tiff(tmp_path / f"a/{number}.tif", values, orientation=6, frames=3)
        save(tmp_path / f"b/{number}.tif", np.full((8, 8), number / 4, dtype=np.float32))
        noise(tmp_path / f"c/{number}.png", number, "L", (8, 8))
    data = read(tmp_path, validation=0, normalize=False)
    assert [note for note in data.notes if "values" in note] == [
        "4 images have 16-bit values 0-65535, scaled to 0-255",
        "4 images have floating-point values 0-1, scaled to 0-255",
    ]
    pixels = pixels_of(data)
    turned = torch.from_numpy(np.rot90(values >> 8, -1).astype(np.float32).copy())
    assert any(torch.equal(image[0], turned) for file, image in pixels.items() if file[0] == "a")


def test_a_range_comes_from_the_training_split_and_is_kept(tmp_path: Path) -> None:
    dark_and_bright(tmp_path / "train", save, 0, 4000, np.uint16)
    dark_and_bright(tmp_path / "test", save, 0, 60000, np.uint16)
    before = read(tmp_path, validation=0)
    assert before.value_ranges == {"16-bit": (0, 4095)}
    dark_and_bright(tmp_path / "train", save, 0, 60000, np.uint16)
    config = Data(dataset="image-folder", dir=str(tmp_path), image_size=8, validation=0)
    after = load(config, 0, CPU, before=trained(value_ranges={"16-bit": (0.0, 4095.0)}))
    assert after.value_ranges == before.value_ranges
    assert "20 images have 16-bit values 0-4095, scaled to 0-255; 20 of them have values beyond" in after.notes
    assert images(after.test).max() == 255
    assert read(tmp_path, validation=0).value_ranges == {"16-bit": (0, 65535)}


@pytest.mark.parametrize(
    ("dtype", "high", "convert"),
    [(np.uint16, 4000, lambda values: values // 256), (np.float32, 1, lambda values: values * np.float32(255))],
)
def test_a_run_of_an_older_version_is_read_as_before(
    tmp_path: Path, dtype: Any, high: float, convert: Callable[[Values], Values]
) -> None:
    dark_and_bright(tmp_path, save, 0, high, dtype)
    config = Data(dataset="image-folder", dir=str(tmp_path), image_size=8, validation=0, normalize=False)
    data = load(config, 0, CPU, before=trained())
    for file, image in pixels_of(data).items():
        assert np.array_equal(image[0].numpy(), convert(np.asarray(Image.open(tmp_path / file))).astype(np.uint8))


def test_a_range_may_be_set(tmp_path: Path) -> None:
    dark_and_bright(tmp_path, save, 0, 4000, np.uint16)
    data = read(tmp_path, validation=0, normalize=False, value_range=(1000, 1255))
    assert data.notes[-1] == "10 images have 16-bit values 1000-1255, scaled to 0-255; 10 of them have values beyond"
    for file, image in pixels_of(data).items():
        stored = np.asarray(Image.open(tmp_path / file)).astype(int)
        assert np.array_equal(image[0].numpy(), (stored - 1000).clip(0, 255))


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_outliers_that_leave_few_grey_levels_are_reported(tmp_path: Path, storage: str) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        values = random.integers(100, 4000, (20, 20)).astype(np.uint16)
        values[3, number] = 65535
        save(tmp_path / f"{'ab'[number % 2]}/{number}.png", values)
    note, hint = read(tmp_path, validation=0, storage=storage).notes[-2:]
    assert note == "6 images have 16-bit values 0-65535, scaled to 0-255"
    assert hint.startswith("most 16-bit values are 1")
    assert hint.endswith(": data.value_range can spread them over more grey levels")
