"""A script that was written for wandb runs with tuitrain in its place."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import tuitrain
from tuitrain.runs.scripts.follower import ScriptFollower

Read = Callable[[], ScriptFollower]


def test_what_else_wandb_has_does_not_end_the_script(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuitrain.init(project="mine", tags="base", runs_dir=tmp_path / "runs")
    table = tuitrain.Table(columns=["a"])
    table.add_data(1)
    tuitrain.log({"table": table, "plot": tuitrain.plot.confusion_matrix(preds=[1])})
    tuitrain.alert(title="low", text="accuracy", level=tuitrain.AlertLevel.WARN)
    assert isinstance(table, tuitrain.Table)
    assert not hasattr(tuitrain.Table, "__len__")
    run.log_artifact(tuitrain.Artifact("model", type="model")).wait()
    assert str(run.url) == ""
    run.config.setdefaults({"lr": 0.1})
    assert run.config.as_dict() == {"lr": 0.1}
    run.name, run.tags, run.notes = "better", (*run.tags, "new"), "a note"
    run.name = "\x1b"
    for inert in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        inert.log({"a": 1.0})
    run.finish()
    assert (run.name, run.tags, run.notes) == ("better", ("base", "new"), "a note")
    assert read().logged_names == []
    messages = capsys.readouterr().err
    assert "plot has no effect" in messages
    assert "must be printable" in messages


def test_runs_of_a_project_get_numbers(tmp_path: Path) -> None:
    names = [tuitrain.init(project="sweep", runs_dir=tmp_path / "runs").name for _ in range(3)]
    assert names == ["sweep", "sweep-2", "sweep-3"]


@pytest.mark.parametrize("config", ["config.yaml", ["lr"], 3])
def test_settings_of_another_kind_are_reported(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str], config: object
) -> None:
    with tuitrain.init(config=config, runs_dir=tmp_path / "runs"):
        pass
    assert f"not {type(config).__name__}." in capsys.readouterr().err
    assert read().status == "finished"
