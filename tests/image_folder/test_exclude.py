import os
from pathlib import Path
from typing import Any

import pytest

from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.hosts.preview.split_sizes import split_sizes
from tuitrain.image_folder.scan import scan
from tuitrain.image_folder.splits import FolderSplits

SPLITS = "train/ant/1.png train/ant/2.png train/bee/1.png train/bee/2.png test/ant/3.png test/bee/3.png"


def data(folder: Path, files: str, table: str, **settings: Any) -> Data:
    """Write empty images and a CSV file of excluded ones, and return the configuration that reads them."""
    for file in files.split():
        path = folder / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "bad.csv").write_text(table)
    return Data(dataset="image-folder", dir=str(folder / "photos"), exclude=str(folder / "bad.csv"), **settings)


def paths(config: Data) -> set[str]:
    found = scan(config)
    return {os.path.relpath(path, found.root) for split in found.splits.values() for some in split for path in some}


@pytest.mark.parametrize(
    "table",
    [
        "file\ntrain/ant/2.png\ntest/bee/3.png\n",
        "\ufefflabel;Image Path;wrong\r\nant;ant\\2.png;yes\r\nbee;test/bee/3;no\r\n",
        "file,label,split\ntrain/ant/2.png,bee,nonsense\ntrain/ant/2.png,ant,\n./test/bee/3.png,,\n",
    ],
)
def test_the_named_images_are_left_out(tmp_path: Path, table: str) -> None:
    config = data(tmp_path, SPLITS + " test/bee/4.png", table)
    assert paths(config) == {*SPLITS.split(), "test/bee/4.png"} - {"train/ant/2.png", "test/bee/3.png"}
    found = FolderSplits.scan(config, 0)
    assert "2 of 7 images are excluded by bad.csv" in found.notes
    assert "2 of 7 images are excluded by bad.csv" in split_sizes(config).notes
    # No file is changed.
    assert len(list((tmp_path / "photos").rglob("*.png"))) == 7


def test_rows_without_an_image_are_named(tmp_path: Path) -> None:
    rows = "".join(f"gone{number}.png\n" for number in range(5))
    config = data(tmp_path, SPLITS, f"file\n{rows}")
    assert paths(config) == set(SPLITS.split())
    notes = scan(config).notes
    assert "0 of 6 images are excluded by bad.csv" in notes
    assert "rows of bad.csv without an image: gone0.png, gone1.png, gone2.png and 2 more" in notes
    # A scan that ends early has not seen every image.
    assert not any("without an image" in note for note in scan(config, stop=lambda: True).notes)


def test_a_file_without_rows_excludes_nothing(tmp_path: Path) -> None:
    assert paths(data(tmp_path, SPLITS, "file\n")) == set(SPLITS.split())


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("".join(f"{line}\n" for line in ["file", *SPLITS.split()]), "excludes all images"),
        ("file\ntest/ant/3.png\ntest/bee/3.png\n", "excludes all test images"),
        ("file\ntrain/bee/1.png\ntrain/bee/2.png\n", "excludes all training images of the class bee"),
        ("file\n1.png\n", "fits train/ant/1.png and train/bee/1.png"),
        ("name,label\n1.png,ant\n", "has no column file: name, label"),
        ("", "has no column file: it is empty"),
        ("file,label\n,ant\n", "Line 2 of .* names no file"),
    ],
)
def test_refusals(tmp_path: Path, table: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        scan(data(tmp_path, SPLITS, table))


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    config = data(tmp_path, SPLITS, "")
    (tmp_path / "bad.csv").unlink()
    with pytest.raises(DataError, match="no such file") as caught:
        scan(config)
    assert "data.exclude" in caught.value.hint


def test_held_out_images_stay_held_out(tmp_path: Path) -> None:
    files = " ".join(f"{name}/{number}.png" for name in ("ant", "bee") for number in range(50))
    before = FolderSplits.scan(data(tmp_path, files, "file\n"), 0)
    test = set(before.splits["test"].paths)
    excluded = sorted(before.splits["training"].paths)[:3]
    rows = "".join(f"{os.path.relpath(path, before.root)}\n" for path in excluded)
    after = FolderSplits.scan(data(tmp_path, files, f"file\n{rows}"), 0)
    assert set(after.splits["test"].paths) <= test
    assert not set(excluded) & {path for split in after.splits.values() for path in split.paths}


def test_labels_of_a_table_can_be_excluded(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,patient\n1.png,ant,a\n2.png,ant,b\n3.png,bee,c\n4.png,bee,d\n")
    config = data(tmp_path, "1.png 2.png 3.png 4.png", "file\n2.png\n", labels=str(labels))
    found = scan(config)
    assert paths(config) == {"1.png", "3.png", "4.png"}
    assert {os.path.basename(path) for path in found.groups} == {"1.png", "3.png", "4.png"}  # noqa: PTH119
