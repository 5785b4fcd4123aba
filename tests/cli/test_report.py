"""`tuitrain report`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.cli import main
from tuitrain.runs.folder import RunFolder

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def two(write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    monkeypatch.chdir(tmp_path)
    return [write_run("one"), write_run("two")]


def test_a_report_has_the_name_of_its_run(
    two: list[RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "one"]) == 0
    assert capsys.readouterr() == (f"{two[0].id}.html\n", "")
    assert "<title>one</title>" in (tmp_path / f"{two[0].id}.html").read_text(encoding="utf-8")
    assert main(["report", "one"]) == 2
    assert "already exists. Choose another name, or replace it with --force." in capsys.readouterr().err
    assert main(["report", "one", "--force"]) == 0


def test_several_runs_and_markdown(two: list[RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "two", "one", "two", "--json", "-o", "both.md"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == [two[1].id, two[0].id]
    assert document["path"] == document["files"][0] == str(tmp_path / "both.md")
    assert all(Path(file).is_file() for file in document["files"])
    assert "relative to two" in Path(document["path"]).read_text(encoding="utf-8")
    assert main(["report", "one", "two"]) == 0
    assert (tmp_path / "comparison.html").exists()


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "three"], "No run 'three' in runs."),
        (["report", "one", "-o", "r.pdf"], "r.pdf is neither HTML nor Markdown."),
        (["report", "one", "-o", "-"], "- is neither HTML nor Markdown."),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"tuitrain: {words}")
    assert err.count("\n") == 1
