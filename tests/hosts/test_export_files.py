"""An export replaces nothing by accident."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.errors import RunError
from tuitrain.hosts.export import Exported, export
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

FILES = ("model.safetensors", "model.json", "README.md")


@pytest.fixture(scope="module")
def folders() -> list[RunFolder]:
    return []


@pytest.fixture
def run(folders: list[RunFolder], train: Callable[..., Follower]) -> RunFolder:
    """A run of softmax regression, the same one for all tests."""
    if not folders:
        folders.append(train("training.epochs=1", "model.hidden=[]").folder)
    return folders[0]


def test_formats_share_an_equal_description(run: RunFolder, tmp_path: Path) -> None:
    first = export(run, "safetensors", tmp_path / "net.safetensors", card=True)
    assert [path.name for path in first.files] == ["net.safetensors", "net.md", "net.json"]
    before = (tmp_path / "net.json").read_bytes()
    (tmp_path / "net.safetensors").unlink()
    export(run, "safetensors", tmp_path / "net.safetensors")
    with pytest.raises(RunError, match=r"net\.json already exists, and describes another network"):
        export(run, "torch-export", tmp_path / "net.pt2", values="uint8")
    assert (tmp_path / "net.json").read_bytes() == before
    assert not (tmp_path / "net.pt2").exists()


@pytest.mark.parametrize("name", ["model.json", "README.md"])
def test_files_of_the_user_stay_even_by_force(run: RunFolder, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match=r"is not from tuitrain|already exists"):
        export(run, "safetensors", tmp_path, as_folder=True)
    with pytest.raises(RunError, match="is not from tuitrain"):
        export(run, "safetensors", tmp_path, as_folder=True, force=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_is_replaced_by_force_only(run: RunFolder, tmp_path: Path) -> None:
    target = tmp_path / "new" / "net"
    found: Exported = export(run, "safetensors", target, as_folder=True)
    assert {path.name for path in found.files} == {path.name for path in target.iterdir()} == set(FILES)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"model\.safetensors already exists\. .*--force"):
        export(run, "safetensors", target)
    (target / "model.safetensors").write_bytes(b"old")
    export(run, "safetensors", target, force=True)
    assert (target / "model.safetensors").stat().st_size > 1000
    assert {path.name for path in target.iterdir()} == {*FILES, "notes.txt"}
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        export(run, "safetensors", tmp_path / "file", as_folder=True)


def test_metrics_have_neither_card_nor_input(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="exports metrics"):
        export(run, "csv", tmp_path / "x.csv", card=True)
    with pytest.raises(RunError, match="exports metrics"):
        export(run, "tensorboard", tmp_path / "x", values="unit")
    with pytest.raises(RunError, match="weights alone"):
        export(run, "safetensors", tmp_path / "x.safetensors", values="uint8")
    assert not list(tmp_path.iterdir())
