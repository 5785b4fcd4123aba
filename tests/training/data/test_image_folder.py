import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tuitrain.config.schema import Data
from tuitrain.errors import DataError, TrainingError
from tuitrain.training.data import Dataset, MemorySplit, Split, StreamedSplit, load

CPU = torch.device("cpu")


def noise(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).convert(mode).save(path)


def classes_of(folder: Path, counts: dict[str, int], mode: str = "RGB") -> Path:
    for index, (name, count) in enumerate(counts.items()):
        for number in range(count):
            noise(folder / name / f"{number:03}.png", 1000 * index + number, mode)
    return folder


def read(folder: Path, seed: int = 0, **settings: Any) -> Dataset:
    data = Data(**{"dataset": "image-folder", "dir": str(folder), "image_size": 8, **settings})
    return load(data, seed, CPU)


def images(split: Split | None) -> torch.Tensor:
    assert isinstance(split, MemorySplit)
    return split.images


def gathered(split: Split, order: torch.Tensor, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    some, labels = zip(*split.batches(order, size), strict=True)
    return torch.cat(some), torch.cat(labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return classes_of(tmp_path / "images", {"cat": 20, "ant": 10, "bee": 30})


def test_class_folders_alone_are_split_by_class(folder: Path) -> None:
    data = read(folder, validation=0.25)
    assert data.classes == ("ant", "bee", "cat")
    assert data.shape == (3, 8, 8)
    assert data.validation is not None
    assert torch.bincount(data.test.labels).tolist() == [2, 6, 4]
    assert torch.bincount(data.validation.labels).tolist() == [2, 6, 4]
    assert torch.bincount(data.train.labels).tolist() == [6, 18, 12]
    assert data.notes == ()
    train = images(data.train)
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
        classes_of(tmp_path / name, {"a": count, "b": count})
    (tmp_path / "notes").mkdir()
    data = read(tmp_path)
    assert data.validation is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 6, 4]
    without = read(tmp_path, validation=0)
    assert without.validation is None
    assert len(without.train) == 18


def test_splits_without_a_folder_are_made_from_train(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 10, "b": 10})
    data = read(tmp_path, validation=0.25)
    assert data.validation is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [12, 4, 4]


def test_a_class_without_test_images_is_reported(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 5, "[red]c": 5, "b": 5})
    classes_of(tmp_path / "test", {"a": 2})
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
        (lambda path: Image.new("1", (20_000, 20_000)).save(path), "a/odd.png (too many pixels)"),
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
    assert data.notes == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "There is no folder"),
        (lambda root: root.write_text(""), "is not a folder"),
        (lambda root: root.mkdir(), "has no class folders"),
        (lambda root: classes_of(root, {"only": 3}), "has one class only, only"),
        (lambda root: (classes_of(root, {"a": 3}), (root / "b").mkdir()), "The class b in .* has no images"),
        (lambda root: classes_of(root, {"a": 1, "b": 1}), "too few images, 2,"),
        (lambda root: classes_of(root, {"a": 2, "b": 1}), "too few images, 2, .* validation split"),
        (lambda root: classes_of(root / "test", {"a": 2, "b": 1}), "has test/ but no train/"),
        (
            lambda root: (classes_of(root / "train", {"a": 3, "b": 3}), classes_of(root / "val", {"c": 1})),
            "val has the class c, which the training split has not",
        ),
        (
            lambda root: (classes_of(root / "train", {"a": 3, "b": 3}), (root / "test").mkdir()),
            "test has no images",
        ),
        (
            lambda root: (classes_of(root, {"a": 3}), (root / "b").mkdir(), (root / "b/x.png").write_bytes(b"")),
            r"The class b has no training image that can be read. .*b/x.png \(not an image\)",
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


def test_grey_where_all_are_grey(tmp_path: Path) -> None:
    grey = classes_of(tmp_path / "grey", {"a": 3, "b": 3}, "L")
    assert read(grey).shape == (1, 8, 8)
    assert read(grey, channels="rgb").shape == (3, 8, 8)
    noise(grey / "a/colour.png", 0)
    assert read(grey).shape == (3, 8, 8)
    assert read(grey, channels="grey").shape == (1, 8, 8)


def first_pixels(folder: Path, save: Callable[[Path], None], **settings: Any) -> torch.Tensor:
    """Return the pixel values (0 to 255) of the image that `save` writes, read among black images."""
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (folder / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(folder / "train" / name)
    (folder / "test/a").mkdir(parents=True)
    save(folder / "test/a")
    data = read(folder, validation=0, normalize=False, **{"channels": "rgb", **settings})
    assert data.notes[0].startswith("classes without test images: b")
    return images(data.test)[0] * 255


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
    assert images(data.train).isfinite().all()


@pytest.mark.parametrize("measured", [2000, 7])
def test_streamed_and_held_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, measured: int) -> None:
    monkeypatch.setattr("tuitrain.training.data.image_folder._MEASURED", measured)
    (folder / "bee/text.png").write_text("not an image")
    held = read(folder, storage="memory")
    streamed = read(folder, storage="stream")
    assert isinstance(streamed.train, StreamedSplit)
    assert (streamed.mean, streamed.std, streamed.notes) == (held.mean, held.std, held.notes)
    for name in ("train", "validation", "test"):
        one, other = getattr(held, name), getattr(streamed, name)
        assert len(one) == len(other)
        order = torch.randperm(len(one), generator=torch.Generator().manual_seed(0))
        for expected, given in zip(gathered(one, order), gathered(other, order), strict=True):
            assert torch.equal(expected, given)


def test_workers_read_the_same_and_live_on(folder: Path) -> None:
    held = read(folder, storage="memory")
    streamed = read(folder, storage="stream", workers=1)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for order in (torch.arange(20), torch.arange(40).flip(0)):
        for expected, given in zip(gathered(held.train, order), gathered(streamed.train, order), strict=True):
            assert torch.equal(expected, given)
        # Left in the middle, as a stop does.
        next(iter(streamed.train.batches(order, 2)))
    assert torch.equal(state, torch.get_rng_state())


def test_an_image_lost_on_the_way_is_replaced(folder: Path) -> None:
    data = read(folder, storage="stream", validation=0)
    split = data.train
    assert isinstance(split, StreamedSplit)
    order = torch.arange(len(split))
    before, labels = gathered(split, order)
    lost = sorted((folder / "ant").iterdir())
    for path in lost[:2]:
        path.write_bytes(b"")
    after, new = gathered(split, order)
    changed = (before != after).flatten(1).any(1)
    assert len(after) == len(before)
    assert set(changed.nonzero().flatten().tolist()) == split.unreadable
    assert len(split.unreadable) in (1, 2)
    assert torch.equal(labels[~changed], new[~changed])


def test_a_folder_lost_on_the_way_ends_the_run(folder: Path) -> None:
    data = read(folder, storage="stream", validation=0)
    folder.rename(folder.parent / "gone")
    with pytest.raises(TrainingError, match="in a row could not be read"):
        gathered(data.train, torch.arange(4))


def test_progress_counts_images(folder: Path) -> None:
    reports: list[tuple[str, float | None]] = []
    config = Data(dataset="image-folder", dir=str(folder), image_size=8)
    load(config, 0, CPU, lambda *report: reports.append(report))
    assert ("reading: 60 of 60 images", 1.0) in reports
    assert len(reports) < 10
