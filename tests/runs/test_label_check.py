"""What is known of the labels of a run."""

from collections.abc import Callable

import msgspec
import pytest

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.label_check import FILE, LabelCheck, known_labels, label_stamp, write_label_check
from tuitrain.runs.marks import Mark, marks_file, write_marks
from tuitrain.runs.records import RunInfo

PRINTS = {"train": "aa", "test": "bb"}


@pytest.fixture
def run(write_run: Callable[..., RunFolder]) -> tuple[RunFolder, RunInfo]:
    folder = write_run()
    return folder, msgspec.structs.replace(folder.info(), sizes={"train": 80, "test": 20}, fingerprints=PRINTS)


def mark(folder: RunFolder, wrong: int, right: int) -> None:
    kinds = ["wrong"] * wrong + ["right"] * right
    write_marks(marks_file(folder), {f"test {n}": Mark("a", kind, "b") for n, kind in enumerate(kinds)})


def test_marks_and_the_check_of_all_labels_count(run: tuple[RunFolder, RunInfo]) -> None:
    folder, info = run
    assert known_labels(folder, info) is None
    mark(folder, 0, 3)
    assert known_labels(folder, info) is None
    mark(folder, 4, 3)
    assert known_labels(folder, info) == LabelCheck(4, 100)
    write_label_check(folder, LabelCheck(9, 100, PRINTS))
    for wrong, right, expected in ((0, 0, 9), (4, 3, 6), (8, 3, 8), (0, 50, 0)):
        mark(folder, wrong, right)
        assert known_labels(folder, info) == LabelCheck(expected, 100)


def test_a_check_of_other_images_does_not_count(run: tuple[RunFolder, RunInfo]) -> None:
    folder, info = run
    write_label_check(folder, LabelCheck(9, 100, PRINTS | {"train": "cc"}))
    assert known_labels(folder, info) is None


def test_damaged_files_count_as_missing(run: tuple[RunFolder, RunInfo]) -> None:
    folder, info = run
    (folder.evaluations / FILE).write_bytes(b'{"wrong": -1, "images": 2}')
    marks_file(folder).write_bytes(b"\xff\xff")
    assert known_labels(folder, info) is None


def test_the_stamp_changes_with_the_files(run: tuple[RunFolder, RunInfo]) -> None:
    folder, _ = run
    stamps = [label_stamp(folder)]
    mark(folder, 1, 0)
    stamps.append(label_stamp(folder))
    write_label_check(folder, LabelCheck(9, 100))
    stamps.append(label_stamp(folder))
    assert len(set(stamps)) == 3
