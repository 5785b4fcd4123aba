"""The run of a script from somebody else may contain anything."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tuitrain
from tuitrain.cli import main
from tuitrain.runs.scripts.follower import ScriptFollower

Read = Callable[[], ScriptFollower]


@pytest.mark.parametrize(
    "content",
    ["", "[" * 100_000, json.dumps({"settings": {"a": [1]}}), json.dumps({"asks": [3]})],
    ids=["empty", "deep", "nested setting", "asks for a number"],
)
def test_a_damaged_script_file_is_reported(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    with tuitrain.init(name="one", runs_dir=tmp_path / "runs") as run:
        run.log({"a": 1.0})
    Path(run.dir, "script.json").write_text(content)
    assert "script.json is damaged" in read().problem
    assert main(["compare", run.dir, run.dir, "--runs-dir", str(tmp_path / "runs")]) == 2
    assert "unexpected error" not in capsys.readouterr().err
    assert run.name == ""
