"""Packages that do not work, and folders that cannot be written."""

import os
from importlib import metadata
from pathlib import Path

import pytest

from tuitrain.hosts.doctor import packages
from tuitrain.hosts.doctor.folders import check_folders


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("raise ImportError('libcudart.so.13: cannot open')", "ImportError: libcudart.so.13: cannot open"),
        ("import os; os.abort()", "status -6"),
        ("print('not JSON')", "Expecting value"),
    ],
)
def test_a_torch_that_does_not_work_is_a_problem(monkeypatch: pytest.MonkeyPatch, program: str, problem: str) -> None:
    monkeypatch.setattr(packages, "_ASK", program)
    torch = packages.ask_torch()
    assert problem in torch.problem
    (finding,) = (one for one in packages.check_packages(torch) if one.name == "torch")
    assert finding.level == "problem"


def test_unsuitable_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=900", "no-such-package", "rich", 'colorama; sys_platform == "win32"']
    monkeypatch.setattr(packages, "requires", lambda _: needed)
    (finding,) = (one for one in packages.check_packages(packages.Torch()) if one.name == "packages")
    assert finding.text == f"numpy {metadata.version('numpy')} is not >=900; no-such-package is missing"


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {finding.name: finding for finding in check_folders(tmp_path / "file" / "runs")}
    assert found["runs folder"].level == "problem"
    assert "cannot be written: Not a directory" in found["runs folder"].text
    assert found["cache folder"].level != "problem"
    good = next(iter(check_folders(tmp_path / "runs")))
    assert good.text.startswith(f"{tmp_path}/runs, will be created")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_in_a_closed_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    user = os.geteuid()
    try:
        if not user:  # Nothing is closed to root.
            os.seteuid(65534)
        found = next(iter(check_folders(tmp_path / "closed" / "project" / "runs")))
    finally:
        os.seteuid(user)
    assert found.level == "problem"
    assert "cannot be written: Permission denied" in found.text
