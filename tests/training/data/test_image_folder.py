import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from training.data.image_folders import CPU, classes_of, images, noise, read
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.training.data.load import load
from tuitrain.training.data.normalize import Normalizer


def test_class_folders_alone_are_split_by_class(folder: Path) -> None:
    data = read(folder, validation=0.25)
    assert data.classes == ("ant", "bee", "cat")
    assert data.shape == (3, 8, 8)
    assert data.validation is not None
    assert torch.bincount(data.test.labels).tolist() == [2, 6, 4]
    assert torch.bincount(data.validation.labels).tolist() == [2, 6, 4]
    assert torch.bincount(data.train.labels).tolist() == [6, 18, 12]
    assert data.notes == ()
    train = Normalizer(data.normalization, CPU)(images(data.train))
    assert train.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert train.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    every = torch.cat([split.images for split in (data.train, data.validation, data.test)])  # type: ignore[attr-defined]
    assert len(torch.unique(every.flatten(1), dim=0)) == 60


def test_every_run_is_judged_on_the_same_images(folder: Path) -> None:
    first, second = (read(folder, seed, normalize=False) for seed in (1, 2))
    assert torch.equal(images(first.test), images(second.test))
    assert not torch.equal(images(first.validation), images(second.validation))


def test_folders_of_splits_are_used(tmp_path: Path) -> None:
    for name, count in {"train": 9, "val": 3, "test": 2}.items():
        classes_of(tmp_path / name, {"a": count, "b": count}, first=100 * count)
    (tmp_path / "notes").mkdir()
    data = read(tmp_path)
    assert data.validation is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 6, 4]
    without = read(tmp_path, validation=0)
    assert without.validation is None
    assert len(without.train) == 18
    assert "the validation images of data.dir are not used, because data.validation = 0" in without.notes
    assert "data.validation = 0.3 is not used: data.dir has validation images" in read(tmp_path, validation=0.3).notes


def test_splits_without_a_folder_are_made_from_train(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 10, "b": 10})
    data = read(tmp_path, validation=0.25)
    assert data.validation is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [12, 4, 4]


def test_a_class_without_test_images_is_reported(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 5, "[red]c": 5, "b": 5})
    classes_of(tmp_path / "test", {"a": 2}, first=100)
    data = read(tmp_path, validation=0)
    assert data.notes == ("classes without test images: [red]c, b",)


def test_unreadable_images_are_left_out_and_named(folder: Path) -> None:
    whole = (folder / "bee/000.png").read_bytes()
    (folder / "bee/broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "bee/text.jpg").write_text("not an image")
    (folder / "bee/lost.png").symlink_to("nowhere")
    for index in range(4):
        (folder / f"cat/\x1b[31m{index}.png").write_bytes(b"")
    data = read(folder, validation=0)
    assert len(data.train) + len(data.test) == 60
    (note,) = data.notes
    assert note.startswith("7 images could not be read: ")
    assert note.endswith(" and 2 more")
    assert note.count("(") == 5
    assert "\x1b" not in note


@pytest.mark.parametrize(
    ("save", "reason"),
    [
        (lambda path: path.write_text("no"), "a/odd.png (not an image)"),
        (lambda path: path.symlink_to("nowhere"), "a/odd.png (no such file or directory)"),
        (lambda path: path.write_bytes((path.parent / "000.png").read_bytes()[:600]), "a/odd.png (truncated)"),
        (
            lambda path: Image.new("1", (20_000, 20_000)).save(path),
            "a/odd.png (too many pixels: resize it to at most 89 megapixels)",
        ),
    ],
)
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_the_error_contains_the_reason(tmp_path: Path, save: Callable[[Path], None], reason: str, storage: str) -> None:
    classes_of(tmp_path, {"a": 3, "b": 3})
    save(tmp_path / "a/odd.png")
    data = read(tmp_path, validation=0, storage=storage)
    assert data.notes == (f"1 image could not be read: {reason}",)


def test_hidden_nested_linked_and_other_files(tmp_path: Path) -> None:
    classes_of(tmp_path, {"a": 4, "b": 4})
    noise(tmp_path / "a/2020/may/deep.JPG", 1)
    noise(tmp_path / "a/.hidden.png", 2)
    noise(tmp_path / "a/.thumbs/small.png", 3)
    noise(tmp_path / ".cache/small.png", 4)
    (tmp_path / "a/readme.txt").write_text("text")
    (tmp_path / "a/loop").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "a/pipe.png")
    data = read(tmp_path, validation=0)
    assert data.classes == ("a", "b")
    assert len(data.train) + len(data.test) == 9
    assert data.notes == ("skipped files that are not images: 1 .png, 1 .txt",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "There is no folder"),
        (lambda root: root.write_text(""), "is not a folder"),
        (lambda root: root.mkdir(), "has no class folders"),
        (lambda root: classes_of(root, {"only": 3}), "has only one class, only"),
        (
            lambda root: (classes_of(root, {"a": 3}), (root / "b").mkdir()),
            "has only one class, a; folders without images, not used: b",
        ),
        (lambda root: classes_of(root, {"a": 1, "b": 1}), "too few images, 2,"),
        (lambda root: classes_of(root, {"a": 2, "b": 1}), "too few images, 2, .* validation split"),
        (lambda root: classes_of(root / "test", {"a": 2, "b": 1}), "has test/ but no train/"),
        (
            lambda root: (classes_of(root / "train", {"a": 3, "b": 3}), classes_of(root / "val", {"c": 1})),
            "val has the class c, which the training split does not have",
        ),
        (
            lambda root: (classes_of(root / "train", {"a": 3, "b": 3}), (root / "test/a").mkdir(parents=True)),
            "test has no images",
        ),
        (
            lambda root: (classes_of(root, {"a": 3}), (root / "b").mkdir(), (root / "b/x.png").write_bytes(b"")),
            r"The class b has no readable training image. .*b/x.png \(not an image\)",
        ),
    ],
)
def test_too_few_images_to_split_are_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    root = tmp_path / "images"
    make(root)
    with pytest.raises(DataError, match=message):
        read(root)


def test_no_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"Set data\.dir"):
        load(Data(dataset="image-folder"), 0, CPU)


def test_progress_counts_images(folder: Path) -> None:
    reports: list[tuple[str, float | None]] = []
    config = Data(dataset="image-folder", dir=str(folder), image_size=8)
    load(config, 0, CPU, lambda *report: reports.append(report))
    assert ("reading: 60 of 60 images", 1.0) in reports
    assert len(reports) < 10
