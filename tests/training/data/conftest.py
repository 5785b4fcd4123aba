"""Fixtures of these tests."""

from pathlib import Path

import pytest

from training.data.image_folders import classes_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return classes_of(tmp_path / "images", {"cat": 20, "ant": 10, "bee": 30})
