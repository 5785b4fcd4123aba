import json
from pathlib import Path

import pytest

from training.data.image_folders import classes_of, read
from tuitrain.cli import main
from tuitrain.image_folder.pixel_files import cache_folder, pixel_files


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Return the names of two cache files."""
    for name, mode in (("pets", "RGB"), ("digits", "L")):
        read(classes_of(tmp_path / name, {"a": 10, "b": 10}, mode), storage="cache")
    return sorted(file.name for file in pixel_files())


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["cache", *arguments])
    return status, *capsys.readouterr()


def test_an_empty_cache(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys) == (0, "", f"No decoded images or features in {cache_folder()}.\n")
    assert called(capsys, "clear") == (0, "", "Removed 0 files, 0 B.\n")
    assert json.loads(called(capsys, "--json")[1]) == []


def test_files_are_listed(capsys: pytest.CaptureFixture[str], names: list[str], tmp_path: Path) -> None:
    status, out, messages = called(capsys)
    assert (status, messages) == (0, f"2.1 MB in {cache_folder()}\n")
    title, *lines = out.splitlines()
    assert title.split() == ["name", "images", "content", "size", "used", "folder"]
    (pets,) = (line for line in lines if "pets" in line)
    assert pets.split()[:5] == [names[1], "20", "8x8", "rgb", "1.1"]
    assert pets.endswith(str(tmp_path / "pets"))
    documents = {document["name"]: document for document in json.loads(called(capsys, "--json")[1])}
    assert sorted(documents) == names
    assert documents[names[0]]["shape"] == [1, 8, 8]
    assert documents[names[0]]["bytes"] == Path(documents[names[0]]["path"]).stat().st_size


def test_named_files_are_cleared(capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    assert called(capsys, "clear", names[0], "nothing")[0] == 2
    assert len(pixel_files()) == 2
    status, out, messages = called(capsys, "clear", names[0], names[0])
    assert (status, out, messages) == (0, "", "Removed 1 file, 1.1 MB.\n")
    assert [file.name for file in pixel_files()] == names[1:]


def test_clearing_all_removes_damaged_files_too(capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    (cache_folder() / f"{names[0]}.pixels").write_bytes(b"damaged")
    (cache_folder() / f".{names[0]}.pixels.x.tmp").mkdir()
    status, out, _ = called(capsys, "clear", "--json")
    assert (status, [document["name"] for document in json.loads(out)]) == (0, names[1:])
    assert list(cache_folder().iterdir()) == []
