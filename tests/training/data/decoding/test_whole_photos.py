"""random-resized-crop sees whole photos; evaluations see what data.resize says."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from training.data.image_folders import CPU, classes_of, read
from tuitrain.config.data.schema import Data
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.runs.records import WeightsInfo
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.image_folder import image_reader
from tuitrain.training.data.load import load
from tuitrain.training.data.splits import MemorySplit

# In a photo of 48x16 pixels, its left third is red, the middle green, the right blue.
COLORS = torch.eye(3, dtype=torch.uint8) * 255


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(20):
        for name in ("a", "b"):
            image = Image.new("RGB", (48, 16))
            for third, color in enumerate(COLORS.tolist()):
                image.paste(tuple(color), (16 * third, 0, 16 * third + 16, 16))
            # Photos that differ: identical ones stay in one split.
            image.putpixel((number, 0), (9, 9, 9 + (name == "a")))
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_training_sees_all_of_a_photo_and_evaluations_its_middle(photos: Path, storage: str) -> None:
    data = read(photos, storage=storage, augment=("random-resized-crop",), image_size=12, crop_scale=0.1)
    assert data.shape == (3, 12, 12)
    torch.manual_seed(0)
    order = torch.arange(len(data.train)).repeat(4)
    crops, labels = map(torch.cat, zip(*data.train.batches(order, 16), strict=True))
    assert crops.shape == (len(order), 3, 12, 12)
    assert crops.dtype == torch.uint8
    assert torch.equal(labels, data.train.labels.repeat(4))
    seen = crops.float().mean((2, 3)).argmax(1).bincount(minlength=3)
    assert seen.min() > len(order) // 6
    assert data.validation is not None
    for split in (data.validation, data.test):
        ((images, _),) = split.batches(torch.arange(len(split)), 100)
        assert images.shape[1:] == (3, 12, 12)
        assert (images[:, 1, 1:-1, 1:-1] > 250).all()


def test_crops_keep_the_shape_of_things(photos: Path) -> None:
    """A third of the photo is as wide as it is high, so that no crop shows all three colors."""
    data = read(photos, augment=("random-resized-crop",), image_size=12)
    torch.manual_seed(0)
    ((crops, _),) = data.train.batches(torch.arange(len(data.train)), 100)
    pure = (crops > 200).flatten(2).any(2).sum(1)
    assert set(pure.tolist()) == {1, 2}


def test_without_crops_training_reads_as_evaluations_do(photos: Path) -> None:
    data = read(photos, augment=("flip",), image_size=12)
    assert isinstance(data.train, MemorySplit)
    assert data.train.crop is None
    assert data.train.images.shape[1:] == (3, 12, 12)
    assert data.train.images.device == CPU


def test_evaluations_crop_as_the_weights_expect(tmp_path: Path) -> None:
    classes_of(tmp_path, {"a": 10, "b": 10})
    folder = Data(dataset="image-folder", dir=str(tmp_path), image_size=12)
    splits = FolderSplits.scan(folder, 0)
    read = image_reader(folder, splits, weights=WeightsInfo(crop=0.875, interpolation="bicubic"))
    assert (read.crop_fraction, read.interpolation, read.resize) == (0.875, "bicubic", "crop")
    unusual = image_reader(folder, splits, weights=WeightsInfo(crop=1.1, interpolation="random"))
    assert (unusual.crop_fraction, unusual.interpolation) == (1.0, "bilinear")
    data = load(folder, 0, CPU, weights=WeightsInfo(mean=(0.5,), std=(0.5,), crop=0.5, interpolation="nearest"))
    expected = ImageReader(12, "RGB", crop_fraction=0.5, interpolation="nearest")(data.test.files[0])
    ((images, _),) = data.test.batches(torch.arange(1), 1)
    assert torch.equal(images[0], expected)


def test_squashed_and_padded_photos(photos: Path) -> None:
    squashed = read(photos, resize="squash", image_size=12)
    ((images, _),) = squashed.test.batches(torch.arange(1), 1)
    assert images[0, :, 6, [1, 6, 10]].argmax(0).tolist() == [0, 1, 2]
    padded = read(photos, resize="pad", image_size=12)
    ((images, _),) = padded.test.batches(torch.arange(1), 1)
    assert (images[0, :, :3] == 0).all()
    assert images[0, :, 6, [1, 6, 10]].argmax(0).tolist() == [0, 1, 2]
