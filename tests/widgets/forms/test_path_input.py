from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

from tuitrain.widgets.forms.path_input import PathInput, complete_last_path, complete_path


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("photos/cats", "photos/cars", "plots", ".hidden", "odd\x1b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("text", "folders_only", "expected"),
    [
        ("pho", True, "photos/"),
        ("pho", False, "photos"),
        ("p", True, "p"),
        ("photos/c", True, "photos/ca"),
        ("photos/cat", True, "photos/cats/"),
        ("~/pl", True, "~/plots/"),
        (".h", True, ".hidden/"),
        ("odd", True, "odd"),
        ("none/x", True, "none/x"),
        ("photos.csv/x", True, "photos.csv/x"),
        ("\0", True, "\0"),
        ("", False, ""),
        ("photos/", True, "photos/ca"),
    ],
)
def test_a_path_is_completed_as_far_as_it_is_unambiguous(text: str, folders_only: bool, expected: str) -> None:
    assert complete_path(text, folders_only=folders_only) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plots, photos/cat", "plots, photos/cats/"),
        ("photos, ", "photos, "),
        ("plots, m", "plots, 'me, you/'"),
        ("'me, you/'", "'me, you/it''s/'"),
    ],
)
def test_the_last_of_several_paths_is_completed_and_quoted(tree: Path, text: str, expected: str) -> None:
    (tree / "me, you" / "it's").mkdir(parents=True)
    assert complete_last_path(text) == expected


class Paths(App[None]):
    def compose(self) -> ComposeResult:
        yield PathInput("pho", folders_only=True, select_on_focus=False)
        yield Input("next")


@pytest.mark.usefixtures("tree")
async def test_tab_completes_and_then_moves_on() -> None:
    app = Paths()
    async with app.run_test() as pilot:
        path = app.query_one(PathInput)
        path.cursor_position = 3
        await pilot.press("tab", "c", "a", "t", "tab")
        assert path.value == "photos/cats/"
        assert path.has_focus
        await pilot.press("tab")
        assert not path.has_focus
