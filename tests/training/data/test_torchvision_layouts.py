"""Data sets by name, from tiny files in the layout of each, which torchvision's own class reads, too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from training.data.torchvision_files import ARRAYS, PHOTOS, data, imagenette, usps
from tuitrain.config.data.datasets import DATASETS, DatasetInfo
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.errors import DataError
from tuitrain.hosts.preview.split_sizes import split_sizes
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.training.data import download
from tuitrain.training.data.decoding import array_files
from tuitrain.training.data.load import load
from tuitrain.training.data.sheet import samples as sheet_samples
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.standard import read

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def any_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision compares the files with the original ones."""
    for module in ("svhn", "stl10", "flowers102", "mnist"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, *_: Path(path).is_file())


def samples(name: str, root: Path, arguments: dict[str, str]) -> list[tuple[str, int]]:
    """Return the paths relative to `root`, and the labels, of a split of torchvision's class."""
    source: Any = getattr(datasets, PHOTO_DATASETS[name].kind)(root, **arguments)
    if name == "caltech101":
        paths = [
            f"{source.root}/101_ObjectCategories/{source.categories[y]}/image_{index:04d}.jpg"
            for index, y in zip(source.index, source.y, strict=True)
        ]
        labels = source.y
    elif name == "caltech256":
        paths = [
            f"{source.root}/256_ObjectCategories/{source.categories[y]}/{y + 1:03d}_{index:04d}.jpg"
            for index, y in zip(source.index, source.y, strict=True)
        ]
        labels = source.y
    elif hasattr(source, "_image_files"):
        paths, labels = source._image_files, source._labels
    elif hasattr(source, "_images"):
        paths, labels = source._images, source._labels
    else:
        pairs = getattr(source, "samples", None) or source._samples
        paths, labels = [path for path, _ in pairs], [label for _, label in pairs]
    return sorted((str(Path(path).relative_to(root)), int(label)) for path, label in zip(paths, labels, strict=True))


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_are_those_of_torchvision(tmp_path: Path, name: str) -> None:
    write, arguments = PHOTOS[name]
    write(tmp_path)
    found = FolderSplits.scan(data(name, tmp_path, "data.validation=0.2"), 0)
    held_out: list[tuple[str, int]] = []
    for split, given in zip(("training", "validation", "test"), arguments, strict=True):
        files = found.splits[split]
        rows = sorted(
            (str(Path(p).relative_to(tmp_path)), label) for p, label in zip(files.paths, files.labels, strict=True)
        )
        if given is None or split == "training":
            held_out += rows
        else:
            assert rows == samples(name, tmp_path, given)
    assert sorted(held_out) == samples(name, tmp_path, arguments[0] or {})
    assert len(found.classes) == len({label for _, label in held_out}) or name == "flowers102"
    if name == "imagenette":
        assert found.classes == ("tench", "English springer")
    if name == "oxford-pets":
        assert found.classes == ("Abyssinian", "Yorkshire Terrier")
    if name == "flowers102":
        assert (found.classes[0], found.classes[101]) == ("pink primrose", "blackberry lily")


@pytest.mark.parametrize("name", ["imagenette", "food101"])
def test_photos_are_loaded_like_an_image_folder(tmp_path: Path, name: str) -> None:
    PHOTOS[name][0](tmp_path)
    found = load(data(name, tmp_path, "data.storage=memory"), 0, CPU)
    streamed = load(data(name, tmp_path, "data.storage=stream"), 0, CPU)
    assert found.shape == (3, 8, 8)
    assert found.test.fingerprint == streamed.test.fingerprint
    assert found.test.files


def test_crops_and_sheets_see_whole_photos(tmp_path: Path) -> None:
    imagenette(tmp_path)
    settings = data("imagenette", tmp_path, "data.augment=[random-resized-crop]")
    train = load(settings, 0, CPU).train
    assert isinstance(train, MemorySplit)
    assert train.images.shape[1:] == (3, 12, 12)
    ((crops, _),) = train.batches(torch.arange(len(train)), 100)
    assert crops.shape[1:] == (3, 8, 8)
    found = sheet_samples(Config(data=settings), 0, 4, 3)
    assert {sample.label for sample in found} == {"tench", "English springer"}
    assert not all(torch.equal(variant, sample.original) for sample in found for variant in sample.variants)


def test_every_data_set_of_photos_is_tested() -> None:
    assert set(PHOTO_DATASETS) == {*PHOTOS, "imagenette-160", "imagenette-320"}


def original(name: str, root: Path, *, train: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images (N, C, H, W) and labels that torchvision reads."""
    split: Any = "train" if train else "test"
    if name in ("svhn", "stl10"):
        source: Any = (datasets.SVHN if name == "svhn" else datasets.STL10)(root, split=split)
        return torch.from_numpy(source.data), torch.from_numpy(source.labels.astype(np.int64))
    if name == "usps":
        source = datasets.USPS(root, train=train)
        return torch.from_numpy(source.data).unsqueeze(1), torch.tensor(source.targets)
    source = datasets.EMNIST(root, split=name.removeprefix("emnist-"), train=train)
    # EMNIST is stored transposed, and its letters count from 1.
    names = [source.classes[label] for label in source.targets.tolist()]
    return source.data.transpose(1, 2).unsqueeze(1), torch.tensor([DATASETS[name].classes.index(n) for n in names])


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_those_of_torchvision(tmp_path: Path, name: str) -> None:
    ARRAYS[name](tmp_path)
    found = read(name, str(tmp_path), lambda *_: None)
    for part, train in ((found.train, True), (found.test, False)):
        images, labels = original(name, tmp_path, train=train)
        assert torch.equal(part.images, images)
        assert torch.equal(part.labels, labels)
    assert len(load(Data(dataset=name, dir=str(tmp_path)), 0, CPU).test)


@pytest.mark.parametrize("name", ["svhn", "stl10", "usps", "emnist-letters"])
@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 100])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str, damage: bytes) -> None:
    ARRAYS[name](tmp_path)
    (tmp_path / array_files.READERS[name][0][0]).write_bytes(damage)
    with pytest.raises(DataError, match=r"is damaged|cut short"):
        read(name, str(tmp_path), lambda *_: None)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("oxford-pets", "oxford-iiit-pet/annotations/trainval.txt", "Abyssinian_1"),
        ("oxford-pets", "oxford-iiit-pet/annotations/test.txt", "../../etc/passwd 1 1 1"),
        ("food101", "food-101/meta/train.json", "[1, 2]"),
        ("food101", "food-101/meta/train.json", "{"),
        ("food101", "food-101/meta/test.json", '{"waffles": ["waffles/none"]}'),
        ("dtd", "dtd/dtd/labels/train1.txt", ""),
        ("fgvc-aircraft", "fgvc-aircraft-2013b/data/variants.txt", "other"),
        ("gtsrb", "gtsrb/GT-final_test.csv", "Filename;ClassId\n00001.ppm;99"),
        ("flowers102", "flowers-102/setid.mat", "garbage"),
    ],
)
def test_a_damaged_list_is_one_sentence(tmp_path: Path, name: str, file: str, content: str) -> None:
    PHOTOS[name][0](tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=rf"{name} in|split of {name}") as caught:
        FolderSplits.scan(data(name, tmp_path), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*ARRAYS, *PHOTOS])
def test_the_preview_says_what_a_download_is(tmp_path: Path, name: str) -> None:
    facts: Any = DATASETS.get(name) or PHOTO_DATASETS[name]
    sizes = split_sizes(data(name, tmp_path))
    assert sizes.location.startswith("download: ")
    assert sizes.location.endswith(f"to {tmp_path}")
    assert (facts.licence or "none stated") in sizes.location
    assert facts.page in sizes.location
    assert facts.download in sizes.location
    assert sizes.classes == (len(facts.classes) if isinstance(facts, DatasetInfo) else facts.classes)
    (ARRAYS.get(name) or PHOTOS[name][0])(tmp_path)
    assert split_sizes(data(name, tmp_path)).location.startswith(f"found in {tmp_path}")


def test_data_in_the_cache_of_torchvision_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    usps(tmp_path)
    assert split_sizes(Data(dataset="usps")).location.startswith(f"found in {tmp_path}")
    assert len(read("usps", None, lambda *_: None).train.images) == 20


@pytest.mark.parametrize("name", ["eurosat", "svhn"])
def test_a_download_that_fails_says_where_the_data_belongs(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("<urlopen error no network>")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError, match=rf"{name} is not in .* and could not be downloaded \(no network\)"):
        load(data(name, tmp_path / "new"), 0, CPU)
    assert not (tmp_path / "new").exists()


def test_a_download_is_put_in_place_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_fetch", lambda _, folder: PHOTOS["eurosat"][0](Path(folder)))
    found = load(data("eurosat", tmp_path), 0, CPU)
    assert found.classes == ("Forest", "River")
    assert [path.name for path in tmp_path.iterdir()] == ["eurosat"]
