import shutil
from pathlib import Path

import pytest
import torch

from training.data.image_folders import CPU, classes_of, noise, read
from tuitrain.config.data.schema import Data
from tuitrain.image_folder.contents import digests
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.load import load
from tuitrain.training.data.shared import SharedLoader


def fingerprints(data: Dataset) -> list[str]:
    splits = (data.train, data.validation, data.test)
    assert all(split is None or len(split.fingerprint) == 16 for split in splits)
    return [split.fingerprint if split else "" for split in splits]


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_fingerprints_of_a_standard_data_set(validation: float) -> None:
    data = Data(validation=validation)
    first = fingerprints(load(data, 0, CPU))
    assert first == fingerprints(load(data, 0, CPU)) == fingerprints(SharedLoader()(data, 0, CPU, lambda *_: None))
    assert len(set(first)) == 3
    other = fingerprints(load(data, 1, CPU))
    # The seed chooses the validation images, and never the test images.
    assert [one == another for one, another in zip(first, other, strict=True)] == [not validation, not validation, True]


def test_a_fingerprint_does_not_depend_on_how_images_are_read(folder: Path, tmp_path: Path) -> None:
    whole = fingerprints(read(folder))
    assert whole == fingerprints(read(folder, storage="stream", workers=0)) == fingerprints(read(folder, image_size=16))
    moved = folder.rename(tmp_path / "elsewhere")
    assert whole == fingerprints(read(moved))


@pytest.mark.parametrize("change", ["content", "class", "swapped", "added", "removed", "same size"])
def test_any_other_image_is_another_fingerprint(tmp_path: Path, change: str) -> None:
    for split, first in (("train", 0), ("test", 100)):
        # Bitmaps of equal size.
        for label in ("a", "b"):
            for number in range(4):
                noise(tmp_path / split / label / f"{number}.bmp", first + number + 10 * (label == "b"))
    before = fingerprints(read(tmp_path, validation=0))
    image, other = tmp_path / "test/a/0.bmp", tmp_path / "test/b/0.bmp"
    if change == "content":
        noise(image, 7000, size=(30, 30))
    elif change == "class":
        (tmp_path / "train/b").rename(tmp_path / "train/c")
        (tmp_path / "test/b").rename(tmp_path / "test/c")
    elif change == "swapped":
        image.rename(tmp_path / "x")
        other.rename(image)
        (tmp_path / "x").rename(other)
    elif change == "added":
        noise(tmp_path / "test/a/9.bmp", 9000)
    elif change == "removed":
        image.unlink()
    else:
        noise(image, 7000)
    assert fingerprints(read(tmp_path, validation=0))[2] != before[2]


def test_identical_files_in_two_splits_are_counted_and_named(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        classes_of(tmp_path / split, {"a": 5, "b": 5}, first=first)
    assert read(tmp_path).notes == ()
    shutil.copy(tmp_path / "train/b/003.png", tmp_path / "test/a/copy\x1b.png")
    shutil.copy(tmp_path / "train/b/004.png", tmp_path / "test/b/copy.png")
    shutil.copy(tmp_path / "val/b/001.png", tmp_path / "train/b/copy.png")
    # Empty files are no images.
    (tmp_path / "train/a/empty.png").touch()
    (tmp_path / "test/a/empty.png").touch()
    assert read(tmp_path).notes[1:] == (
        "2 of 12 test images are also training images, so the test accuracy is too high:"
        " test/a/copy\ufffd.png is identical to train/b/003.png",
        "1 of 10 validation images are also training images, so the validation accuracy is too high:"
        " val/b/001.png is identical to train/b/copy.png",
    )


def test_identical_images_of_two_classes_are_named(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 200)):
        classes_of(tmp_path / split, {"a": 5, "b": 5}, first=first)
    shutil.copy(tmp_path / "train/a/003.png", tmp_path / "train/b/copy.png")
    (note,) = read(tmp_path, validation=0).notes
    assert note == "1 training images are identical to one of another class: train/b/copy.png to train/a/003.png"


def test_splits_that_are_cut_here_share_no_images(folder: Path) -> None:
    for number in range(20):
        shutil.copy(folder / f"cat/{number:03}.png", folder / f"cat/copy {number}.png")
    data = read(folder)
    assert data.notes == ()
    assert [len(split) for split in (data.train, data.test) if split] == [58, 16]
    assert "test images are also training images" in str(read(folder, split_by="position").notes)


def test_classes_of_one_image_each_are_split_all_the_same(tmp_path: Path) -> None:
    for index, label in enumerate(("a", "b")):
        for number in range(5):
            noise(tmp_path / label / f"{number}.png", index)
    data = read(tmp_path, validation=0)
    assert torch.bincount(data.test.labels).tolist() == [1, 1]
    assert "2 of 2 test images are also training images" in str(data.notes)


def test_large_files_are_told_apart_by_their_middle(tmp_path: Path) -> None:
    whole = bytearray(10**6)
    paths = []
    for index, place in enumerate((None, 0, 500_000, 999_999)):
        content = whole.copy()
        if place is not None:
            content[place] = 1
        (tmp_path / str(index)).write_bytes(content)
        paths.append(str(tmp_path / str(index)))
    assert len(set(digests([*paths, str(tmp_path / "none")]).values())) == 5
