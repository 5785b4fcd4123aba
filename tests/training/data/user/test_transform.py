import sys
from pathlib import Path

import pytest
import torch

from tuitrain.errors import DataError, TrainingError
from tuitrain.training.data.user.transform import user_transform

IMAGES = torch.rand(4, 1, 8, 8)


def write(folder: Path, code: str) -> str:
    file = folder / "mine.py"
    file.write_text(code)
    return f"{file}:change"


def test_none_is_none() -> None:
    assert user_transform(None) is None


def test_the_function_of_the_file_is_called(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        "from dataclasses import dataclass\n@dataclass\nclass Half:\n    by: 'float' = 2.0\n"
        "    def __call__(self, images):\n        return (images / self.by).double()\nchange = Half()\n",
    )
    transform = user_transform(spec)
    assert transform is not None
    result = transform(IMAGES)
    assert result.dtype == torch.float32
    assert torch.equal(result, IMAGES / 2)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize("spec", ["mine.py", ":change", "mine.py:", "mine.py:not a name", ""])
def test_a_bad_spec_is_refused(spec: str) -> None:
    with pytest.raises(DataError, match=r"not of the form FILE\.py:NAME"):
        user_transform(spec)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("other = 1", "does not define change"),
        ("change = 3", "change in .* is a int, not a function"),
        ("import nosuchthing", "raised ModuleNotFoundError: No module named 'nosuchthing'"),
        ("def change(:", "raised SyntaxError: "),
        ("raise ValueError('\\x1b[31mred\\n')", "raised ValueError: \ufffd\\[31mred"),
        ("import sys; sys.exit(3)", "raised SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_give_the_function_is_refused(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        user_transform(write(tmp_path, code))
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.py .*No such file"):
        user_transform(f"{tmp_path}/none.py:change")


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ("None", "a NoneType"),
        ("images.tolist()", "a list"),
        ("images[:2]", r"torch\.float32 \(2, 1, 8, 8\)"),
        ("images.expand(-1, 3, -1, -1)", r"torch\.float32 \(4, 3, 8, 8\)"),
        ("images.long()", r"torch\.int64"),
        ("images.to('meta')", "on meta"),
        ("images.unsqueeze_(0)", r"\(1, 4, 1, 8, 8\)"),
    ],
)
def test_a_result_of_another_kind_is_refused(tmp_path: Path, body: str, given: str) -> None:
    transform = user_transform(write(tmp_path, f"def change(images):\n    return {body}\n"))
    assert transform is not None
    with pytest.raises(DataError, match=f"returned .*{given}.*must return .*on cpu"):
        transform(IMAGES.clone())


def test_an_exception_of_the_function_is_named(tmp_path: Path) -> None:
    transform = user_transform(write(tmp_path, "def change(images):\n    return images @ images[:, :, :3]\n"))
    assert transform is not None
    with pytest.raises(TrainingError, match=r"change of .*mine\.py raised RuntimeError: "):
        transform(IMAGES)


def test_the_file_imports_its_neighbors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the background, where Python does not look into the working folder."""
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "neighbor_of_transform.py").write_text("FACTOR = 2.0\n")
    (tmp_path / "json.py").write_text("raise SystemExit('hides the json of Python')\n")
    (tmp_path / "mine.py").write_text(
        "import json, neighbor_of_transform\ndef change(images):\n    return images * neighbor_of_transform.FACTOR\n"
    )
    transform = user_transform(f"{tmp_path}/mine.py:change")
    assert transform is not None
    assert torch.equal(transform(torch.ones(1, 1, 2, 2)), torch.full((1, 1, 2, 2), 2.0))
