from pathlib import Path

import pytest

from tuitrain.config.code import pinned, read_source
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.user_files import changed_files, copied_sources, name_copies
from tuitrain.runs.writer import create, encode_pretty


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a run with a copy of `mine.py`."""
    file = tmp_path / "mine.py"
    file.write_text("one")
    config = override(Config(), [f"data.transform={file}:f"])
    return create(tmp_path / "runs", RunInfo(id="", name="x"), config, "", {str(file): b"one"})


def test_a_run_has_a_copy_with_its_hash(folder: RunFolder, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    assert (folder.code / "mine.py").read_text() == "one"
    assert copied_sources(folder) == {str(file): b"one"}
    assert changed_files(folder.info()) == []
    file.write_text("two")
    assert changed_files(folder.info()) == [
        f"{file} has changed since the run began: the run uses its copy, code/mine.py"
    ]
    file.unlink()
    assert changed_files(folder.info()) == []


def test_a_copy_in_the_home_folder_is_found_on_any_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = override(Config(), ["data.transform=~/mine.py:f"])
    folder = create(tmp_path / "runs", RunInfo(id="", name="x"), config, "", {f"{tmp_path}/mine.py": b"one"})
    monkeypatch.setenv("HOME", "/home/else")
    assert copied_sources(folder) == {"/home/else/mine.py": b"one"}


@pytest.mark.parametrize("damage", ["missing", "changed", "elsewhere"])
def test_a_damaged_copy_is_refused(folder: RunFolder, damage: str) -> None:
    if damage == "missing":
        (folder.code / "mine.py").unlink()
    elif damage == "changed":
        (folder.code / "mine.py").write_text("two")
    else:
        info = folder.info()
        info.code = [type(info.code[0])(info.code[0].file, "../run.json", info.code[0].sha256)]
        folder.info_file.write_bytes(encode_pretty(info))
    match = {"missing": "mine.py is missing", "changed": "it has changed", "elsewhere": "is not the name of a file"}
    with pytest.raises(RunError, match=match[damage]):
        copied_sources(folder)


def test_files_of_one_name_get_different_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [f"{place}/mine.py:f" for place in "ab"]
    monkeypatch.setattr("tuitrain.runs.user_files.flatten", lambda _: {})
    monkeypatch.setattr("tuitrain.runs.user_files.code_of", lambda _: [_code(value) for value in found])
    copies = name_copies(Config(), {_code(value).file: b"" for value in found})
    assert [file.copy for file in copies.values()] == ["mine.py", "mine-1.py"]


def _code(value: str):  # type: ignore[no-untyped-def]
    from tuitrain.config.code import TRANSFORM, Code

    return Code(TRANSFORM, value)


def test_pinned_contents_hide_the_disk_while_the_context_is_open(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("disk")
    with pinned({str(file): b"pinned"}):
        assert read_source(str(file), "data.transform") == b"pinned"
    assert read_source(str(file), "data.transform") == b"disk"
