"""Samples of augmented training images."""

from pathlib import Path

import pytest
import torch

from training.data.image_folders import classes_of
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import DataError
from tuitrain.training.data.sheet import Sample, samples


def drawn(*settings: str, draw: int = 0) -> list[Sample]:
    return samples(override(Config(), settings), draw, 4, 3)


def same(one: list[Sample], other: list[Sample]) -> bool:
    return all(
        torch.equal(left.original, right.original) and all(map(torch.equal, left.variants, right.variants))
        for left, right in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("augment", ["rotate", "erase, mixup", "trivialaugment", "random-resized-crop"])
def test_variants_of_images_of_different_classes(augment: str) -> None:
    found = drawn(f"data.augment=[{augment}]")
    assert len({sample.label for sample in found}) == 4
    for sample in found:
        # 8x8 pixels are enlarged, so that they can be seen.
        assert sample.original.shape == (16, 16, 1)
        assert sample.original.dtype == torch.uint8
        assert len(sample.variants) == 3
    changed = [not torch.equal(variant, sample.original) for sample in found for variant in sample.variants]
    assert sum(changed) >= len(changed) // 2


def test_without_augmentation_training_sees_the_originals() -> None:
    assert all(torch.equal(variant, sample.original) for sample in drawn() for variant in sample.variants)


def test_a_draw_can_be_repeated() -> None:
    one = drawn("data.augment=[rotate]")
    assert same(one, drawn("data.augment=[rotate]"))
    assert not same(one, drawn("data.augment=[rotate]", draw=1))


@pytest.mark.parametrize("augment", ["random-resized-crop, color", "crop, cutmix"])
def test_images_of_a_folder(tmp_path: Path, augment: str) -> None:
    folder = classes_of(tmp_path, {"a": 6, "b": 6, "c": 6})
    for path in folder.glob("*/00[0-2].png"):
        path.write_text("no image")
    settings = ("data.dataset=image-folder", f"data.dir={folder}", "data.image_size=100")
    found = drawn(*settings, f"data.augment=[{augment}]")
    assert {sample.label for sample in found} == {"a", "b", "c"}
    assert all(picture.shape == (64, 64, 3) for sample in found for picture in (sample.original, *sample.variants))
    for path in folder.glob("*/*.png"):
        path.write_text("no image")
    with pytest.raises(DataError, match="None of the training images could be read"):
        drawn(*settings)
