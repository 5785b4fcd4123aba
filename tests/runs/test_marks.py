from pathlib import Path

import pytest

from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.marks import RIGHT, WRONG, Mark, marks_file, read_marks, write_marks


def test_marks_survive_in_a_file_beside_the_run(tmp_path: Path) -> None:
    path = marks_file(RunFolder(tmp_path / "runs" / "one"))
    assert path == tmp_path / "runs" / "one-marks.csv"
    assert read_marks(path) == {}
    path.parent.mkdir()
    marks = {
        "ant/1.png": Mark("ant", WRONG, "bee"),
        'a, "b"\n=c.png': Mark("=ant", RIGHT, ""),
        "test 7": Mark("Ameise ä", WRONG, "+bee"),
    }
    write_marks(path, marks)
    assert read_marks(path) == marks
    assert path.read_text().startswith("file,label,mark,suggested\nant/1.png,ant,wrong,bee\n")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"image,class\n1.png,ant\n", b'file,label,mark,suggested\n"' + b"x" * 200_000]
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "one-marks.csv"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"one-marks\.csv cannot be read: it is not CSV"):
        read_marks(path)


def test_rows_without_a_known_mark_are_not_marks(tmp_path: Path) -> None:
    path = tmp_path / "one-marks.csv"
    path.write_text("file,label,mark,suggested\n1.png,ant,perhaps,bee\n,ant,wrong,bee\n2.png,ant\n3.png,ant,right,\n")
    assert read_marks(path) == {"3.png": Mark("ant", RIGHT, "")}


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        write_marks(tmp_path / "none" / "one-marks.csv", {})
