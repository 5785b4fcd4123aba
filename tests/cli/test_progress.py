"""Without a terminal, progress is a line per activity, and one now and then while it lasts."""

import io
import sys

import pytest

from tuitrain.cli import output as module
from tuitrain.cli.output import PAUSE
from tuitrain.cli.progress import RunProgress


def test_lines_of_a_long_activity(monkeypatch: pytest.MonkeyPatch) -> None:
    now, stderr = [0.0], io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stderr)
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    with RunProgress() as progress:
        for second in range(0, 2 * int(PAUSE) + 2):
            now[0] = float(second)
            progress.prepare(f"reading: {second} of 62 images", second / 62)
        progress.prepare("building the model", None)
    assert stderr.getvalue().splitlines() == [
        "reading: 0 of 62 images",
        "reading: 31 of 62 images",
        "building the model",
    ]
