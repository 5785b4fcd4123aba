"""Fixtures of these tests."""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Index = Callable[..., None]


def write_index(home: Path, packages: dict[str, Any]) -> None:
    (home / "index.json").write_text(json.dumps({"tuitrain": {"version": "0.1.0"}, **packages}))


@pytest.fixture
def fake_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a fake uv on PATH; this environment has no pip. Call `write_index` to change its index."""
    home = tmp_path / "fake"
    home.mkdir()
    uv = home / "uv"
    # Without the site packages, Python starts in half the time.
    uv.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ISE "{home}/fake_pip.py" "$@"\n')
    uv.chmod(0o755)
    shutil.copy(Path(__file__).with_name("fake_pip.py"), home)
    write_index(home, {})
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PIP", str(home))
    return home


def calls(home: Path) -> list[list[str]]:
    """Return the arguments of each call of pip."""
    return [json.loads(line) for line in (home / "log.jsonl").read_text().splitlines()]


def silent(_what: str, _fraction: float | None) -> None:
    return None
