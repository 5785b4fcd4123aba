"""The user's files are run once, and errors name the user's line."""

import re
from pathlib import Path

import pytest

from tuitrain.config.code import pinned
from tuitrain.errors import DataError, TrainingError
from tuitrain.training.user_code import explained, load_function


def write(folder: Path, code: str, name: str = "mine.py") -> str:
    (folder / name).write_text(code)
    return f"{folder / name}:f"


def test_a_file_runs_once_until_its_content_changes(tmp_path: Path) -> None:
    spec = write(tmp_path, "count = []\ndef f(): return count\n")
    first = load_function(spec, "model.name")
    assert load_function(spec, "data.dataset") is first
    with pinned({f"{tmp_path}/mine.py": b"def f(): return 'pinned'\n"}):
        assert load_function(spec, "model.name")() == "pinned"
    assert load_function(spec, "model.name")() == []


def test_a_file_imports_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_mine.py").write_text("value = 3\n")
    assert (
        load_function(write(tmp_path, "import beside_mine\ndef f(): return beside_mine.value\n"), "model.name")() == 3
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nraise ValueError('bad')\n", r"ValueError: bad \(mine\.py, line 2: raise ValueError\('bad'\)\)"),
        ("import nosuchthing\n", r"ModuleNotFoundError: .* \(mine\.py, line 1: import nosuchthing\)"),
        ("def f(:\n", r"SyntaxError: .* \(mine\.py, line 1: def f\(:\)"),
        ("import sys\nsys.exit(3)\n", r"SystemExit: 3 \(mine\.py, line 2: sys\.exit\(3\)\)"),
        ("def g():\n  return g()\ng()\n", r"RecursionError: .* \(mine\.py, line 2: return g\(\)\)"),
        ("import os\nos.listdir('/nosuchfolder')\n", r"FileNotFoundError: .* \(mine\.py, line 2: os\.listdir"),
        ("raise ValueError('\\x1b[31mred\\n')  # \x1b[31m\n", "ValueError: \ufffd\\[31mred"),
    ],
)
def test_a_file_that_fails_names_its_line(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_function(write(tmp_path, code), "model.name")
    assert re.search(rf"^Running \S+mine\.py for model\.name raised {message}", str(caught.value))
    assert "\x1b" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_the_line_of_a_module_beside_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "beside_failing.py").write_text("def fail():\n    return 1 / 0\n")
    function = load_function(write(tmp_path, "import beside_failing as b\ndef f(): b.fail()\n"), "model.name")
    with pytest.raises(TrainingError, match=r"beside_failing\.py, line 2: return 1 / 0"), explained("f", TrainingError):
        function()


def test_the_line_of_a_copy_is_that_of_its_own_text(tmp_path: Path) -> None:
    spec = write(tmp_path, "# another line\n\n\n")
    with pinned({f"{tmp_path}/mine.py": b"def f():\n    raise KeyError('copy')\n"}):
        function = load_function(spec, "model.name")
    with pytest.raises(TrainingError, match=r"line 2: raise KeyError\('copy'\)"), explained("f", TrainingError):
        function()


@pytest.mark.parametrize("spec", ["mine.py", ":f", "mine.py:", "mine.py:not a name", ""])
def test_a_bad_spec_is_refused(spec: str) -> None:
    with pytest.raises(DataError, match=r"not of the form FILE\.py:NAME\. Set model\.name to FILE\.py:NAME, or "):
        load_function(spec, "model.name")
