"""Sweeps are found in their runs folder and nowhere else."""

from pathlib import Path

import pytest

from tuitrain.runs.sweeps.catalog import create_sweep, find_sweep, list_sweeps, sweep_of
from tuitrain.runs.sweeps.folder import SUBFOLDERS

GRID = """\
[sweep]
name = "grid"
[sweep.values]
"optimizer.lr" = [0.1, 0.01]
"""


def test_a_run_names_its_sweep(tmp_path: Path) -> None:
    sweep = create_sweep(tmp_path, GRID)
    found = sweep_of(tmp_path, sweep.id)
    assert found is not None
    assert (found.path, found.runs_dir) == (sweep.path, tmp_path)
    (tmp_path / ".sweeps" / "empty").mkdir()
    assert [sweep_of(tmp_path, parent) for parent in (None, "", "empty", "gone")] == [None] * 4


@pytest.mark.parametrize("parent", ["../other", "{id}/../{id}", "/other", "."])
def test_the_name_of_a_sweep_leads_nowhere_else(tmp_path: Path, parent: str) -> None:
    sweep = create_sweep(tmp_path, GRID)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sweep.toml").write_text(GRID)
    (tmp_path / ".sweeps" / "sweep.toml").write_text(GRID)
    parent = str(tmp_path / "other") if parent == "/other" else parent.format(id=sweep.id)
    assert (tmp_path / ".sweeps" / parent / "sweep.toml").is_file()
    assert sweep_of(tmp_path, parent) is None


def test_a_new_sweep_has_all_its_folders_and_an_empty_log(tmp_path: Path) -> None:
    sweep = create_sweep(tmp_path, GRID)
    assert sorted(path.name for path in sweep.path.iterdir()) == sorted((*SUBFOLDERS, "log.txt", "sweep.toml"))
    assert sweep.log_file.read_bytes() == b""


def test_sweeps_are_listed_newest_first_without_drafts_and_strangers(tmp_path: Path) -> None:
    for name in ("20260101-000000-b-0001", "20260201-000000-a-0002", ".20260301-000000-c-0003.new", "notes"):
        (tmp_path / ".sweeps" / name).mkdir(parents=True)
        if name != "notes":
            (tmp_path / ".sweeps" / name / "sweep.toml").write_text(GRID)
    assert [sweep.id for sweep in list_sweeps(tmp_path)] == ["20260201-000000-a-0002", "20260101-000000-b-0001"]


def test_a_relative_path_names_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = create_sweep(tmp_path, GRID)
    monkeypatch.chdir(tmp_path)
    assert find_sweep(tmp_path / "elsewhere", f".sweeps/{sweep.id}").path == sweep.path
