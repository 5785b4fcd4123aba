"""`tuitrain verdict`."""

import json
from collections.abc import Callable

import pytest

from tuitrain.cli import main
from tuitrain.runs.baselines import FILE
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


def test_the_verdict_as_text_and_as_a_document(
    train: Callable[..., Follower], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = train("model.hidden=8", "training.epochs=1").folder
    capfd.readouterr()
    assert main(["verdict", str(folder.path)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["360", "test", "images", "accuracy", "95", "%", "interval"]
    titles = ("nearest neighbor", "linear model", "commonest class")
    assert all(line.startswith(title) for line, title in zip(lines[2:5], titles, strict=True))
    assert "NOT BETTER" in lines[5]
    assert main(["verdict", str(folder.path), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["run"] == folder.id
    assert document["sentences"] == lines[5:]
    assert document["interval"]["low"] < document["accuracy"] < document["interval"]["high"]
    best = document["baselines"]["best"]
    assert best == {"title": "nearest neighbor", "accuracy": document["baselines"]["nearest_neighbor"]}
    assert document["better"] == pytest.approx(1 - (1 - document["accuracy"]) / (1 - best["accuracy"]))
    assert document["next_step"]["kind"] == "none"


def test_show_names_the_command_for_missing_baselines(
    write_run: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_run("old")
    assert not (folder.evaluations / FILE).exists()
    assert main(["show", str(folder.path)]) == 0
    assert f"tuitrain verdict {folder.id}" in capfd.readouterr().out
    assert main(["show", str(folder.path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"]["baselines"] is None


def test_a_run_without_a_verdict_has_none(
    write_run: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_run("active", status="running")
    assert main(["show", str(folder.path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] is None
    assert main(["verdict", str(folder.path)]) == 2
    assert "is running" in capfd.readouterr().err
