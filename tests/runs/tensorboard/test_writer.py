"""An exported run is the same run when it is read again."""

from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.hosts.export import export
from tuitrain.runs.records import RunInfo, Status
from tuitrain.runs.rows import Train
from tuitrain.runs.tensorboard.folder import EventFolder
from tuitrain.runs.tensorboard.follower import EventFollower
from tuitrain.runs.writer import RunWriter, create


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_status_settings_and_curves_survive_an_export(tmp_path: Path, status: Status) -> None:
    writer = RunWriter(create(tmp_path / "runs", RunInfo(id="", name="one"), Config()))
    for step in (1, 2):
        writer.row(Train(step, 1, 0.5, 0.25, 0.1, 1.0, 2.0, 0.3, ()))
    writer.end(status=status)
    writer.close()
    export(writer.folder, "tensorboard", tmp_path / "out")
    run = EventFollower(EventFolder(tmp_path / "out"))
    while run.poll():
        pass
    assert (run.status, list(run.train.step), list(run.train["accuracy"])) == (status, [1, 2], [0.25, 0.25])
    assert run.settings["training.epochs"] == Config().training.epochs
    curves = getattr(run.info, "curves")  # noqa: B009
    assert all(count == 2 for name, count in curves.items() if "loss" in name)
    assert not any(name.startswith(": ") or name in ("train", "") for name in curves)
