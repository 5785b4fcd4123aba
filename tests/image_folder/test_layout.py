import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from image_folder.scanned import scan
from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.layout import find_layout
from tuitrain.image_folder.names import split_of

MakeTree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """Make empty files; "train/cat/3.jpg" makes three."""

    def make(*files: str) -> Path:
        for file in files:
            path = tmp_path / "data" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            for number in range(1, int(path.stem) if path.stem.isdigit() else 1):
                path.with_stem(f"{path.stem}-{number}").touch()
        return tmp_path / "data"

    return make


def counts(found: ImageFolder) -> dict[str, list[int]]:
    return {split: [len(paths) for paths in by_class] for split, by_class in found.splits.items()}


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("training", "train Train TRAIN training trn train_set training_set seg_train train2017 trainImages x-train"),
        ("validation", "val Val valid validation dev val_images seg_val validation-set"),
        ("test", "test Test TESTING testing test_set seg_test test2 tst holdout hold-out Hold_Out"),
        ("eval", "eval evaluation eval_set"),
        (None, "cat trained contest strain latest value devil testament train_test retrain"),
    ],
)
def test_names_of_splits(split: str | None, names: str) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training", "train_set", "seg_train/seg_train"])
@pytest.mark.parametrize("test", ["test", "Testing", "test_set", "seg_test/seg_test", "eval"])
def test_splits_in_all_spellings(tree: MakeTree, train: str, test: str) -> None:
    found = scan(tree(f"{train}/cat/2.jpg", f"{train}/dog/3.jpg", f"{test}/cat/1.jpg", f"{test}/dog/1.jpg"))
    assert found.classes == ("cat", "dog")
    assert counts(found) == {"training": [2, 3], "test": [1, 1]}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "Val_set"])
def test_validation_folders(tree: MakeTree, name: str) -> None:
    found = scan(tree("train/cat/2.jpg", "train/dog/3.jpg", f"{name}/cat/4.jpg"))
    assert counts(found) == {"training": [2, 3], "validation": [4, 0]}


def test_eval_beside_test_is_validation_and_said(tree: MakeTree) -> None:
    found = scan(tree(*(f"{split}/{name}/1.jpg" for split in ("train", "eval", "test") for name in ("a", "b"))))
    assert set(found.splits) == {"training", "validation", "test"}
    assert found.notes == ["eval/ is used as the validation split"]


@pytest.mark.parametrize("wrapper", ["dataset", "archive/dataset", "a/b/c"])
def test_wrapper_folders_are_entered_and_said(tree: MakeTree, wrapper: str) -> None:
    found = scan(tree(f"{wrapper}/cat/2.jpg", f"{wrapper}/dog/3.jpg", "__MACOSX/cat/._1.jpg"))
    assert counts(found) == {"training": [2, 3]}
    assert found.notes == [f"read from {wrapper}/, the only folder in data.dir"]


def test_wrapped_splits(tree: MakeTree) -> None:
    found = scan(tree("data/Train/cat/2.jpg", "data/Train/dog/3.jpg", "data/Test/cat/1.jpg"))
    assert counts(found) == {"training": [2, 3], "test": [1, 0]}


@pytest.mark.parametrize(
    "litter", ["__MACOSX", "@eaDir", ".ipynb_checkpoints", "lost+found", "$RECYCLE.BIN", "System Volume Information"]
)
def test_litter_is_no_class(tree: MakeTree, litter: str) -> None:
    folder = tree(
        "cat/2.jpg", "dog/3.jpg", f"{litter}/x.jpg", f"cat/{litter}/9.jpg", "dog/Thumbs.db", "cat/desktop.ini"
    )
    found = scan(folder)
    assert (counts(found), found.notes, str(found.skipped)) == ({"training": [2, 3]}, [], "")


def test_the_runs_folder_is_no_class(tree: MakeTree) -> None:
    folder = tree("cat/2.jpg", "dog/3.jpg", "runs/20260101-a/run.json", "runs/20260101-a/evaluation/x.jpg")
    assert scan(folder).classes == ("cat", "dog")


def test_folders_without_images_are_said(tree: MakeTree) -> None:
    found = scan(tree("cat/2.jpg", "dog/3.jpg", "annotations/1.xml"))
    assert found.classes == ("cat", "dog")
    assert found.notes == [
        "folders without images, not used: annotations", "skipped files that are not images: 1 .xml",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".cr2", ".CR2", ".mp4"])
def test_a_class_of_unreadable_files_is_refused(tree: MakeTree, suffix: str) -> None:
    with pytest.raises(DataError, match=f"eel has no readable image, but 4 {suffix.lower()} files"):
        scan(tree("cat/2.jpg", "dog/3.jpg", f"eel/4{suffix}"))


def test_an_unlabelled_test_folder_is_said(tree: MakeTree) -> None:
    found = scan(tree("train/cat/2.jpg", "train/dog/3.jpg", "test/9.jpg"))
    assert set(found.splits) == {"training"}
    (note,) = found.notes
    assert note == "test/ is not used: its 9 images have no labels, because it has no class folders"


def test_a_folder_beside_the_splits_is_said(tree: MakeTree) -> None:
    found = scan(tree("train/cat/2.jpg", "train/dog/3.jpg", "extra/cat/2.jpg"))
    assert found.notes == ["extra/ is not used"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["Train/3.jpg", "Test/3.jpg"], "Test/ and Train/ in .* look like splits, but hold no class folders"),
        (["train/3.jpg", "val/3.jpg", "cat/3.jpg"], "look like splits"),
        (
            ["train/a/3.jpg", "train/b/3.jpg", "bus/3.jpg"],
            "train/ in .* looks like a split, but bus/ beside it",
        ),
        (["train/a/1.jpg", "train/b/1.jpg", "Train2/a/1.jpg"], "two folders of the training split: Train2/ and train/"),
        (["test/a/1.jpg", "test/b/1.jpg"], "has test/ but no train/"),
        (["cat/1.jpg", "dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"], r"no train/.*data\.layout to classes"),
        (["cat/1.jpg", "dog/1.jpg", "Test/3.jpg"], "Test/ in .* looks like a split, but has no class folders"),
        (["cat/1.jpg", "dog/1.jpg", "validation_set/3.jpg"], "validation_set/ in .* looks like a split"),
        (["cat/train/1.jpg", "cat/test/1.jpg", "dog/train/1.jpg"], "cat/ in .* contains split folders"),
        (["1.jpg", "cat.7.jpg"], r"has 2 images but no class folders: they have no labels.*set data\.labels"),
        (["1.jpg", "names.CSV", "a.tsv"], r"If a\.tsv has the labels, set data\.labels to it"),
        (
            ["tr/cat/1.jpg", "tr/dog/1.jpg", "te/Cat/1.jpg", "te/dog/1.jpg"],
            r"te/ and tr/, hold the same .*\(cat, dog\)",
        ),
        (["fold0/a/1.jpg", "fold0/b/1.jpg", "fold1/a/1.jpg", "fold1/b/1.jpg", "fold1/c/1.jpg"], "splits or classes"),
        (["notes.txt"], "has no class folders"),
        (["dataset/cat/3.jpg"], "has only one class, cat"),
        (["cat/1.txt", "dog/1.txt"], "has no images"),
        (["train/cat/1.jpg", "train/dog/1.jpg", "test/eel/1.jpg"], "the class eel, which the training split does not"),
        (["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.txt"], "test has no images"),
    ],
)
def test_what_cannot_be_told_is_refused(tree: MakeTree, files: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        scan(tree(*files))


def test_the_setting_resolves_doubts(tree: MakeTree) -> None:
    folder = tree("train/a/3.jpg", "train/b/3.jpg", "bus/3.jpg")
    assert scan(folder, "classes").classes == ("bus", "train")
    assert scan(folder, "splits").classes == ("a", "b")
    with pytest.raises(DataError, match=r"no train/"):
        find_layout(tree("bus/3.jpg") / "train", "splits")


def test_classes_with_equal_subfolders(tree: MakeTree) -> None:
    folder = tree("tomato/ill/2.jpg", "tomato/sound/2.jpg", "bean/ill/2.jpg", "bean/sound/2.jpg")
    assert counts(scan(folder, "classes")) == {"training": [4, 4]}


@pytest.mark.parametrize("other", ["bean/raw/2.jpg", "bean/2.jpg"])
def test_folders_with_few_equal_subfolders_are_classes(tree: MakeTree, other: str) -> None:
    assert counts(scan(tree("tomato/raw/2.jpg", "tomato/ill/2.jpg", other))) == {"training": [2, 4]}


def test_a_class_called_train(tree: MakeTree) -> None:
    found = scan(tree("train/3.jpg", "bus/3.jpg", "car/3.jpg"))
    assert found.classes == ("bus", "car", "train")
    assert found.notes == ["train/ is a class, not the training split"]


def test_names_that_look_alike_match_across_splits(tree: MakeTree) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    found = scan(tree(f"train/{composed}/2.jpg", "train/Tea/2.jpg", f"test/{decomposed}/1.jpg", "test/tea /3.jpg"))
    assert found.classes == ("Tea", composed)
    assert counts(found)["test"] == [3, 1]
    assert found.notes == ["test/tea / is used as class Tea"]


def test_two_classes_that_look_the_same_are_refused(tree: MakeTree) -> None:
    with pytest.raises(DataError, match="two folders whose names look the same, caf\u00e9"):
        scan(tree("caf\u00e9/2.jpg", "cafe\u0301/2.jpg"))


def test_a_link_upwards_adds_no_images(tree: MakeTree) -> None:
    folder = tree("cat/2.jpg", "dog/3.jpg")
    (folder / "cat/up").symlink_to(folder)
    (folder / "dog/loop").symlink_to(folder / "dog")
    assert counts(scan(folder)) == {"training": [2, 3]}


def test_pipes_and_broken_links_without_a_suffix_are_no_images(tree: MakeTree) -> None:
    folder = tree("cat/2.jpg", "dog/3.jpg")
    os.mkfifo(folder / "cat/pipe")
    (folder / "dog/link").symlink_to("nowhere")
    assert counts(scan(folder)) == {"training": [2, 3]}


def test_images_are_known_by_content_where_the_suffix_is_not(tree: MakeTree) -> None:
    folder = tree("cat/1.jpg", "dog/1.jpg", "cat/1.txt", "cat/2.csv")
    for name in ("cat/a.img", "cat/b", "dog/c.dat"):
        Image.new("RGB", (4, 4)).save(folder / name, "PNG")
    found = scan(folder)
    assert counts(found) == {"training": [3, 2]}
    assert str(found.skipped) == "2 .csv, 1 .txt"
