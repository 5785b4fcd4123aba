"""The progress of `train` and `resume` on the command line."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuitrain.cli.commands.train import _watch
from tuitrain.runs.files import read_lines
from tuitrain.runs.folder import RunFolder


def test_the_progress_of_a_run_does_not_read_its_metrics(
    write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()

    def recorded(path: Path, offset: int, longest: int) -> tuple[list[bytes], int]:
        read.add(path.name)
        return read_lines(path, offset, longest)

    monkeypatch.setattr("tuitrain.runs.follower.read_lines", recorded)
    host = SimpleNamespace(folder=write_run(), ended=threading.Event(), activity="", fraction=None)
    host.ended.set()
    assert _watch(host, 0) is host.folder  # type: ignore[arg-type]
    assert read == {"log.txt"}
