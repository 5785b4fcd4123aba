"""Which files a report becomes, and which ones it leaves alone."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.errors import RunError
from tuitrain.report.write import default_path, write_report
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def run(write_run: WriteRun) -> RunFolder:
    return write_run("one")


def test_names(run: RunFolder, write_run: WriteRun, tmp_path: Path) -> None:
    assert default_path([run]) == Path(f"{run.id}.html")
    assert default_path([run, write_run("two")]) == Path("comparison.html")
    new = tmp_path / "new" / "a report.MD"
    path, *pictures = write_report([run], new)
    assert path == new
    assert {picture.parent for picture in pictures} == {tmp_path / "new" / "a report_files"}
    assert "](a%20report_files/loss-1.svg)" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("r.pdf", "r.pdf is neither HTML nor Markdown. Choose a name that ends in .html, or in .md for Markdown."),
        ("r", "r is neither HTML nor Markdown."),
        ("folder.html", "folder.html is a folder. Choose a file name."),
        ("mine.html", "mine.html already exists. Choose another name, or replace it with --force."),
        ("mine.html/r.html", "mine.html/r.html cannot be written: "),
        (f"{'n' * 300}.html", "cannot be written: File name too long."),
        ("full.md", "full_files contains other files: mine.txt. Choose another name."),
        ("old.md", "old_files already exists. Choose another name, or replace it with --force."),
        ("file.md", "file_files is not a folder, and the pictures need it. Choose another name."),
        ("nowhere.html", "nowhere.html is no ordinary file. Choose another name."),
        ("fifo.html", "fifo.html is no ordinary file. Choose another name."),
        ("link.md", "link_files is not a folder, and the pictures need it. Choose another name."),
    ],
)
def test_refused_names(run: RunFolder, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.html").mkdir()
    for file in ("mine.html", "full_files/mine.txt", "old_files/loss-1.svg", "file_files", "elsewhere/a.svg"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("mine")
    (tmp_path / "link_files").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "nowhere.html").symlink_to(tmp_path / "missing" / "r.html")
    os.mkfifo(tmp_path / "fifo.html")
    before = contents(tmp_path)
    with pytest.raises(RunError) as error:
        write_report([run], tmp_path / name, force="ordinary" in words)
    assert words in str(error.value)
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_force_replaces_reports_but_no_other_files(run: RunFolder, write_run: WriteRun, tmp_path: Path) -> None:
    path = tmp_path / "r.md"
    write_report([run, write_run("two")], path)
    [*_, old] = write_report([run], path, force=True)
    assert old.exists()
    assert not (tmp_path / "r_files" / "all-validation-loss.svg").exists()
    (tmp_path / "r_files" / "mine.png").write_text("mine")
    with pytest.raises(RunError, match=r"contains other files: mine\.png"):
        write_report([run], path, force=True)


def test_the_same_run_gives_the_same_drawings(run: RunFolder, tmp_path: Path) -> None:
    first, second = (write_report([run], tmp_path / name)[1:] for name in ("a.md", "b.md"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert {path.name for path in first} >= {"loss-1.svg", "accuracy-1.svg", "confusion-1.svg"}


def test_without_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="needs at least one run"):
        write_report([], tmp_path / "r.html")


def test_a_name_that_is_not_utf8(run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "\udcff.html"
    write_report([run], path)
    assert path.exists()
    assert "�" in plain(path)
