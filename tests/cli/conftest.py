"""Fixtures of these tests."""

from pathlib import Path

import pytest

import forked
from cli.commands import Done, command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A home with one run on digits, trained with the output of `tuitrain config`, and the finished process."""
    home = tmp_path_factory.mktemp("home")
    (home / "run.toml").write_text(command(home, "config").stdout, encoding="utf-8")
    return home, forked.tuitrain(
        home, "train", "-c", "run.toml", "--set", "training.epochs=15", "--name", "first", "--json"
    )
