"""`tuitrain doctor`."""

import json
from pathlib import Path

import pytest

from cli.commands import command
from tuitrain.cli.commands import doctor
from tuitrain.cli.parser import parse
from tuitrain.hosts.doctor.packages import Torch


def test_the_page_and_its_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = json.loads(command(tmp_path, "doctor", "--json").stdout)
    assert {"tuitrain", "packages", "torch", "runs folder", "terminal", "colors"} <= {one["name"] for one in listed}
    torch = next(one for one in listed if one["name"] == "torch")
    assert torch["level"] == "ok"
    # Loading torch once is enough.
    monkeypatch.setattr(doctor, "ask_torch", lambda: Torch(problem="not now"))
    options = parse(["doctor", "--runs-dir", str(tmp_path / "runs")])
    assert options.run(options) == 1
    printed = capsys.readouterr().out
    assert "torch" in printed
    assert "cannot be loaded: not now" in printed
    for finding in listed:
        if finding["name"] in ("tuitrain", "packages", "characters"):
            assert finding["text"] in printed
