from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.splits import FolderSplits


def scan(
    folder: Path, seed: int = 0, contents: Mapping[str, bytes] | None = None, **settings: Any
) -> dict[str, list[str]]:
    """Return the files of each split, relative to `folder`; `contents` are the digests that are not the file's own."""

    def digests(paths: Sequence[str]) -> dict[str, bytes]:
        names = {path: str(Path(path).relative_to(folder)) for path in paths}
        return {path: (contents or {}).get(name, name.encode()) for path, name in names.items()}

    config = Data(dataset="image-folder", dir=str(folder), **settings)
    found = FolderSplits.scan(config, seed, digests if contents is not None else None)
    assert [found.classes[label] for files in found.splits.values() for label in files.labels] == [
        Path(path).parent.name for files in found.splits.values() for path in files.paths
    ]
    return {name: [str(Path(path).relative_to(folder)) for path in files.paths] for name, files in found.splits.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(5):
            (tmp_path / label / f"{number}.png").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("split_by", "seed", "test", "validation"),
    [
        ("path", 0, ["a/3.png", "b/4.png"], ["a/2.png", "b/2.png"]),
        ("path", 1, ["a/3.png", "b/4.png"], ["a/2.png", "b/1.png"]),
        ("position", 0, ["a/3.png", "b/1.png"], ["a/2.png", "b/2.png"]),
        ("position", 1, ["a/3.png", "b/1.png"], ["a/4.png", "b/2.png"]),
    ],
)
def test_a_resumed_run_finds_the_same_splits(
    folder: Path, split_by: str, seed: int, test: list[str], validation: list[str]
) -> None:
    found = scan(folder, seed, split_by=split_by, validation=0.25)
    assert (found["test"], found["validation"]) == (test, validation)
    every = {f"{label}/{number}.png" for label in "ab" for number in range(5)}
    assert found["training"] == sorted(every.difference(test, validation))


def test_identical_files_are_held_out_together(folder: Path) -> None:
    pairs = {f"{label}/{number}.png": f"{label}{number // 2}".encode() for label in "ab" for number in range(5)}
    for seed in range(5):
        found = scan(folder, seed, pairs, validation=0.4)
        splits = [{pairs[name] for name in names} for names in found.values()]
        assert sum(map(len, splits)) == len(set(pairs.values())) == 6


def test_files_that_are_all_identical_are_held_out_one_by_one(folder: Path) -> None:
    same = {f"{label}/{number}.png": b"same" for label in "ab" for number in range(5)}
    assert {name: len(files) for name, files in scan(folder, 0, same, validation=0.25).items()} == {
        "training": 6, "test": 2, "validation": 2,
    }  # fmt: skip


def test_too_few_images_to_hold_some_out_are_refused(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").touch()
    with pytest.raises(DataError, match="too few images, 2, to hold some out for the test split"):
        scan(tmp_path)


def test_a_network_keeps_its_class_indices(folder: Path) -> None:
    found = FolderSplits.scan(Data(dataset="image-folder", dir=str(folder), validation=0), 0)
    known = found.with_classes(["b", "new", "a"])
    assert known.classes == ("b", "new", "a")
    for split, files in found.splits.items():
        assert known.splits[split].paths == files.paths
        assert known.splits[split].labels == [2 - 2 * label for label in files.labels]
    for names, listed in (
        (["a", "c"], "a, c"),
        ([*"acdefghijk"], "a, c, d, e, f, g, h, i, j, k;"),
        ([*"acdefghijkl"], "a, c, d, e, f, g, h, i, j, k and 1 more;"),
    ):
        with pytest.raises(DataError, match=f"The run knows the classes {listed}"):
            found.with_classes(names)


def test_classes_of_one_image_each_are_split_alike_wherever_they_are(folder: Path, tmp_path: Path) -> None:
    contents = {f"{label}/{number}.png": label.encode() for label in "ab" for number in range(5)}
    before = scan(folder, contents=contents)
    moved = tmp_path / "moved"
    moved.mkdir()
    for label in "ab":
        (folder / label).rename(moved / label)
    assert scan(moved, contents=contents) == before


def test_groups_cannot_be_kept_by_position(folder: Path) -> None:
    rows = "".join(f"{label}/{number}.png,{number}\n" for label in "ab" for number in range(5))
    labels = folder.parent / f"{folder.name}.csv"
    labels.write_text("file,group\n" + rows)
    with pytest.raises(DataError, match=r"data\.split_by = position cannot keep the groups"):
        scan(folder, labels=str(labels), split_by="position")
