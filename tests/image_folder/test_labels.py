import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.scan import scan
from tuitrain.image_folder.splits import FolderSplits

Write = Callable[..., Data]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write empty images and a CSV file, and return the configuration that reads them."""

    def write(files: str, table: str, **settings: Any) -> Data:
        for file in files.split():
            path = tmp_path / "photos" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "labels.csv").write_text(table)
        folder, labels = str(tmp_path / "photos"), str(tmp_path / "labels.csv")
        return Data(dataset="image-folder", dir=folder, labels=labels, **settings)

    return write


def names(found: ImageFolder) -> dict[str, dict[str, list[str]]]:
    return {
        split: {
            label: sorted(os.path.relpath(path, found.root) for path in paths)
            for label, paths in zip(found.classes, by_class, strict=True)
        }
        for split, by_class in found.splits.items()
    }


FLAT = "cat.1.jpg cat.2.jpg dog.1.jpg dog.2.jpg"


@pytest.mark.parametrize(
    "table",
    [
        "file,label\ncat.1.jpg,cat\ncat.2.jpg,cat\ndog.1.jpg,dog\ndog.2.jpg,dog\n",
        "\ufeffid;breed\r\ncat.1;cat\r\ncat.2;cat\r\ndog.1;dog\r\ndog.2;dog\r\n",
        "Image Path\tClass\nphotos/../cat.1.jpg\tcat\n./cat.2.jpg\tcat\ndog.1.jpg\tdog\n\ndog.2.jpg\t dog \n",
        'label,filename,width\n"cat",cat.1.jpg,9\ncat,"cat.2.jpg",9\ndog,dog.1.jpg,9\ndog,dog.2.jpg,9',
        "photo,animal\ncat.1,cat\ncat.2,cat\ndog.1,dog\ndog.2,dog\n",
        "animal,id\ncat,cat.1\ncat,cat.2\ndog,dog.1\ndog,dog.2\n",
    ],
)
def test_a_flat_folder_gets_its_labels_from_the_file(write: Write, table: str) -> None:
    found = scan(write(FLAT, table))
    assert names(found) == {"training": {"cat": ["cat.1.jpg", "cat.2.jpg"], "dog": ["dog.1.jpg", "dog.2.jpg"]}}
    assert found.notes[0].startswith("labels of 4 images from labels.csv, column ")


def test_what_has_no_label_and_what_has_no_file_is_said(write: Write) -> None:
    table = "file,label\na.jpg,x\nb.jpg,y\nc.jpg\nlost\x1b.jpg,x\n"
    found = scan(write("a.jpg b.jpg c.jpg d.jpg readme.txt", table))
    assert names(found)["training"] == {"x": ["a.jpg"], "y": ["b.jpg"]}
    assert found.notes == [
        "labels of 2 images from labels.csv, column label",
        "2 images without a label in labels.csv are not used",
        "rows of labels.csv without an image: lost\ufffd.jpg",
        "skipped files that are not images: 1 .txt",
    ]


@pytest.mark.parametrize(
    ("lost", "said"), [("cde", "c, d, e"), ("cdef", "c, d, e and 1 more"), ("cdefg", "c, d, e and 2 more")]
)
def test_three_rows_without_an_image_are_named(write: Write, lost: str, said: str) -> None:
    found = scan(write("a.jpg b.jpg", "file,label\na,x\nb,y\n" + "".join(f"{name},x\n" for name in lost)))
    assert found.notes[1] == f"rows of labels.csv without an image: {said}"


def test_label_files_have_a_limit(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.image_folder.labels.MAX_BYTES", 2**20)
    table = "file,label\na,x\nb,y\n"
    assert scan(write("a.jpg b.jpg", table + "\n" * (2**20 - len(table)))).classes == ("x", "y")
    with pytest.raises(DataError, match="it is larger than 1 MB"):
        scan(write("", table + "\n" * (2**20 + 1 - len(table))))


def test_the_label_file_itself_is_no_skipped_file(write: Write) -> None:
    data = write("a.jpg b.jpg x.csv", "")
    labels = Path(str(data.dir)) / "labels.csv"
    labels.write_text("file,label\na,x\nb,y\n")
    found = scan(msgspec.structs.replace(data, labels=str(labels)))
    assert found.notes[1:] == ["skipped files that are not images: 1 .csv"]


def test_splits_come_from_a_column_or_from_split_folders(write: Write) -> None:
    table = "file,label,split\na.jpg,x,train\nb.jpg,y,Training\nc.jpg,x,TEST\nd.jpg,y,valid\n"
    found = scan(write("a.jpg b.jpg c.jpg d.jpg", table))
    assert names(found) == {
        "training": {"x": ["a.jpg"], "y": ["b.jpg"]},
        "test": {"x": ["c.jpg"], "y": []},
        "validation": {"x": [], "y": ["d.jpg"]},
    }


def test_images_in_split_folders_belong_to_their_split(write: Write) -> None:
    found = scan(write("train/1.jpg train/2.jpg test/3.jpg", "file,label\n1.jpg,x\n2.jpg,y\ntest/3.jpg,x\n"))
    assert names(found)["test"] == {"x": ["test/3.jpg"], "y": []}
    data = write("", "file,label\n1.jpg,x\n2.jpg,y\ntest/3.jpg,x\n", layout="classes")
    assert names(scan(data)).keys() == {"training"}


def test_groups_and_splits_of_class_folders(write: Write) -> None:
    files = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(10)]
    table = "file,patient\n" + "".join(f"{file},p{number % 10 // 2}\n" for number, file in enumerate(files))
    data = write(" ".join(files), table, validation=0.2)
    found = FolderSplits.scan(data, 0)
    assert found.notes == ("each of 5 groups stays in one split: labels.csv, column patient",)
    patients = [{Path(path).stem for path in split.paths} for split in found.splits.values()]
    assert sorted(map(len, patients)) == [2, 2, 6]
    assert all({str(int(name) ^ 1) for name in split} == split for split in patients)
    moved = scan(write("", "file,split\ncat/3.jpg,test\ndog/9.jpg,val\n"))
    assert names(moved)["test"] == {"cat": ["cat/3.jpg"], "dog": []}
    assert names(moved)["validation"] == {"cat": [], "dog": ["dog/9.jpg"]}
    assert len(names(moved)["training"]["cat"]) == 9


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        ("", {}, "has no column with labels"),
        ("file,label\n", {}, "has no rows"),
        ("a,b,c\n1,2,3\n", {}, "has no column with labels: a, b, c"),
        ("file,label,class,y\nx/a.jpg,1,1,1\n", {}, r"two columns for the label: label and class\."),
        ("file,label,patient,scene\nx/a.jpg,1,1,1\n", {}, r"two columns for the group.*data\.group"),
        ("file,label\nx/a.jpg,1\n", {"group": "site"}, "no column site"),
        ("file,label\n,1\n", {}, "Line 2 of .* names no file"),
        ("file,label\nx/a.jpg,1\nx/a.jpg,2\n", {}, "two different rows for x/a.jpg"),
        ("file,label\nx/a.jpg,1\na,2\n", {}, "a in .* fits x/a.jpg and y/a.jpg"),
        ("file,label\nb.jpg,1\nb,2\n", {}, "two different rows for y/b.jpg"),
        ("file,label\nnone.jpg,1\n", {}, "names none of the 3 images .* its first is none.jpg"),
        ("file,label,split\nb.jpg,1,maybe\n", {}, "Line 2 .* the split maybe is unknown"),
        ("file,label\nb.jpg,1\nx/a.jpg,1\n", {}, "only one class, 1"),
        ("file,label,split\nb.jpg,1,\nx/a.jpg,2,\ny/a.jpg,3,test\n", {}, "the class 3 in the test split only"),
        ("file,label\nb.jpg,\udcff\n", {}, "not CSV in UTF-8"),
        ('file,label\n"b.jpg,' + "x" * 200_000 + "\n", {}, "not CSV"),
    ],
)
def test_doubtful_files_are_refused(
    write: Write, tmp_path: Path, table: str, settings: dict[str, Any], message: str
) -> None:
    data = write("x/a.jpg y/a.jpg y/b.jpg", "", **settings)
    (tmp_path / "labels.csv").write_bytes(table.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message):
        scan(data)


def test_a_missing_file_a_pipe_and_a_lonely_group_are_refused(write: Write, tmp_path: Path) -> None:
    data = write("a.jpg", "")
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(DataError, match="no such file"):
        scan(data)
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(DataError, match="no such file"):
        scan(data)
    with pytest.raises(DataError, match=r"data\.group is a column of data\.labels"):
        scan(Data(dataset="image-folder", dir=str(tmp_path), group="patient"))
