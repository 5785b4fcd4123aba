"""The view of a runs table is kept per runs folder."""

from pathlib import Path

import pytest

from tuitrain.runs.catalog import saved_view
from tuitrain.runs.catalog.saved_view import View, load, save

VIEW = View(columns=("lr", "loss"), sort="loss", falling=True, filter="lr>0.1", grouped=True)


def test_each_runs_folder_has_its_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "one", VIEW)
    assert load(tmp_path / "one") == VIEW
    assert load(tmp_path / "two") == View()
    monkeypatch.chdir(tmp_path)
    assert load(Path("one")) == VIEW
    save(Path("one"), View(sort="lr"))
    assert load(tmp_path / "one") == View(sort="lr")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"columns": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_view_is_the_default(tmp_path: Path, content: bytes) -> None:
    save(tmp_path, VIEW)
    saved_view._path(tmp_path).write_bytes(content)
    assert load(tmp_path) == View()
    save(tmp_path, VIEW)
    assert load(tmp_path) == VIEW


def test_a_view_that_cannot_be_stored_is_lost(tmp_path: Path) -> None:
    path = saved_view._path(tmp_path)
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file")
    save(tmp_path, VIEW)
    assert load(tmp_path) == View()
