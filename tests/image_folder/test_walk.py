"""Follow links, but count each image once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from image_folder.scanned import scan
from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images of cats, three of dogs, four of eels, and a disk with five other cats."""
    for name, count in {"data/cat": 2, "data/dog": 3, "data/dog/pups": 0, "data/eel/sea": 4, "disk/cats": 5}.items():
        (tmp_path / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / name / f"{name[-3:]}{number}.jpg").touch()
    (tmp_path / "data/dog/pups/one.jpg").touch()
    return tmp_path / "data"


def counts(found: ImageFolder, split: str = "training") -> dict[str, int]:
    return {name: len(paths) for name, paths in zip(found.classes, found.splits[split], strict=True)}


def unfollowed(found: ImageFolder) -> str:
    notes = [note for note in found.notes if note.startswith("links")]
    return notes[0].rpartition(": ")[2] if notes else ""


LINKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "up to the data folder": (lambda data: (data / "cat/up").symlink_to(".."), "cat/up"),
    "above the data folder": (lambda data: (data / "cat/up").symlink_to("../.."), "cat/up"),
    "to another class": (lambda data: (data / "cat/more").symlink_to("../dog"), "cat/more"),
    "into another class": (lambda data: (data / "cat/more").symlink_to(data / "dog/pups"), "cat/more"),
    "to a file of another class": (lambda data: (data / "cat/x.jpg").symlink_to("../dog/dog1.jpg"), "cat/x.jpg"),
    "to a file of the class": (lambda data: (data / "cat/x.jpg").symlink_to("cat1.jpg"), "cat/x.jpg"),
    "to the class itself": (lambda data: (data / "cat/self").symlink_to("."), ""),
    "into the class": (lambda data: (data / "eel/again").symlink_to("sea"), ""),
    "in a circle": (lambda data: (data / "cat/a").symlink_to("a"), ""),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_to_images_of_classes_add_none(data: Path, kind: str) -> None:
    make, noted = LINKS[kind]
    make(data)
    found = scan(data)
    assert counts(found) == {"cat": 2, "dog": 4, "eel": 4}
    assert unfollowed(found) == noted


def test_links_to_another_disk_are_followed(data: Path) -> None:
    (data / "cat/more").symlink_to(data.parent / "disk/cats")
    (data / "dog/x.jpg").symlink_to(data.parent / "disk/dog.jpg")
    (data.parent / "disk/dog.jpg").touch()
    (data / "fox").symlink_to(data.parent / "disk/foxes")
    (data.parent / "disk/foxes").mkdir()
    (data.parent / "disk/foxes/1.jpg").touch()
    found = scan(data)
    assert counts(found) == {"cat": 7, "dog": 5, "eel": 4, "fox": 1}
    assert found.notes == []


def test_a_data_folder_behind_links_is_read(data: Path) -> None:
    """As `current -> 2026-11`, with class folders that are links, too."""
    (data.parent / "classes").mkdir()
    for name in ("cat", "dog"):
        (data.parent / "classes" / name).symlink_to(data / name)
    (data.parent / "current").symlink_to("classes")
    found = scan(data.parent / "current")
    assert (counts(found), found.notes) == ({"cat": 2, "dog": 4}, [])


@pytest.mark.parametrize("order", [("cats", "cats"), ("cats", "."), (".", "cats"), ("cats", "cats/ats0.jpg")])
def test_no_image_of_another_disk_is_counted_twice(data: Path, order: tuple[str, str]) -> None:
    first, second = (data.parent / "disk" / target for target in order)
    (data / "cat/more").symlink_to(first)
    (data / f"dog/more{second.suffix}").symlink_to(second)
    found = scan(data)
    files = [Path(path).resolve() for paths in found.splits["training"] for path in paths]
    assert len(files) == len(set(files)) == 15
    assert counts(found) == {"cat": 7, "dog": 4, "eel": 4}
    assert "dog/more" in unfollowed(found)


def test_a_class_folder_that_leads_to_another_class_is_no_class(data: Path) -> None:
    (data / "hound").symlink_to("dog")
    found = scan(data)
    assert counts(found) == {"cat": 2, "dog": 4, "eel": 4}
    assert unfollowed(found) == "hound"
    assert "folders without images, not used: hound" in found.notes


def test_a_link_into_another_split_is_not_followed(data: Path) -> None:
    splits = data.parent / "splits"
    for split, name in (("train", "cat"), ("train", "dog"), ("test", "eel")):
        (splits / split).mkdir(parents=True, exist_ok=True)
        (data / name).rename(splits / split / name)
    (splits / "test/eel").rename(splits / "test/cat")
    (splits / "test/dog").mkdir()
    (splits / "train/cat/more").symlink_to(splits / "test/cat/sea")
    found = scan(splits)
    assert (counts(found), counts(found, "test")) == ({"cat": 2, "dog": 4}, {"cat": 4, "dog": 0})
    assert unfollowed(found) == "train/cat/more"


def test_links_into_a_hidden_store_are_followed(data: Path) -> None:
    """As git-annex and download caches keep their files."""
    (data / "cat/.store").mkdir()
    (data / "cat/cat0.jpg").rename(data / "cat/.store/8f3a")
    (data / "cat/cat0.jpg").symlink_to(".store/8f3a")
    assert counts(scan(data)) == {"cat": 2, "dog": 4, "eel": 4}


@pytest.mark.parametrize(
    "names",
    [("a\x01", "a\x02"), ("a\x01", "a\ufffd"), ("a", "a\u200b"), ("a", "a "), ("a b", "a\tb"), ("a", "\u2060a")],
)
def test_names_that_look_the_same_are_refused_and_told_apart(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").touch()
    with pytest.raises(DataError, match="two folders whose names look the same") as raised:
        scan(tmp_path)
    assert all(ascii(name) in str(raised.value) for name in names)
