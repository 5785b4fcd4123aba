"""An exported run is the same run when it is read again."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from tuitrain.config.schema import Config
from tuitrain.hosts.export import export
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.follower import ExternalFollower
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.records import RunInfo, Status
from tuitrain.runs.rows import Train
from tuitrain.runs.writer import RunWriter, create


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_status_settings_and_curves_survive_an_export(tmp_path: Path, status: Status) -> None:
    writer = RunWriter(create(tmp_path / "runs", RunInfo(id="", name="one"), Config()))
    for step in (1, 2):
        writer.row(Train(step, 1, 0.5, 0.25, 0.1, 1.0, 2.0, 0.3, ()))
    writer.end(status=status)
    writer.close()
    export(writer.folder, "tensorboard", tmp_path / "out")
    run = ExternalFollower(ExternalFolder(TENSORBOARD, Found(tmp_path / "out")))
    while run.poll():
        pass
    assert (run.status, list(run.train.step), list(run.train["accuracy"])) == (status, [1, 2], [0.25, 0.25])
    assert run.settings["training.epochs"] == Config().training.epochs
    curves = getattr(run.info, "curves")  # noqa: B009
    assert all(count == 2 for name, count in curves.items() if "loss" in name)
    assert not any(name.startswith(": ") or name in ("train", "") for name in curves)


@pytest.mark.parametrize(("status", "number"), [("finished", 1), ("failed", 2), ("running", 3), ("stopped", 0)])
def test_the_summaries_of_a_session_are_those_of_tensorboard(tmp_path: Path, status: Status, number: int) -> None:
    info = RunInfo(id="", name="one", created=5.0)
    writer = RunWriter(create(tmp_path / "runs", info, Config()))
    for step in (0, 2):
        writer.row(Train(step, 1, 1e300, 0.5, 0.1, 1.0, 20.0 + step, None, ()))
    writer.update(status=status, now=True)
    export(writer.folder, "tensorboard", tmp_path / "out")
    writer.close()
    (path,) = (tmp_path / "out").iterdir()
    events = list(EventFileLoader(str(path)).Load())
    values = [(event, value) for event in events for value in event.summary.value]
    sessions = {value.tag: (event, value) for event, value in values if value.tag.startswith("_hparams_")}
    assert set(sessions) == {metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG}
    assert all(value.tensor == metadata.NULL_TENSOR for _, value in sessions.values())
    start, end = (
        plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for _, value in (sessions[metadata.SESSION_START_INFO_TAG], sessions[metadata.SESSION_END_INFO_TAG])
    )
    assert (start.session_start_info.group_name, start.session_start_info.start_time_secs) == ("one", 20.0)
    assert start.session_start_info.hparams["optimizer.lr"].number_value == Config().optimizer.lr
    assert start.session_start_info.hparams["optimizer.name"].string_value == Config().optimizer.name
    assert start.session_start_info.hparams["training.deterministic"].bool_value is Config().training.deterministic
    assert (end.session_end_info.status, end.session_end_info.end_time_secs) == (number, 22.0)
    assert [event.wall_time for event in events] == sorted(event.wall_time for event in events)
    losses = [(event.step, value) for event, value in values if value.tag == "train/loss"]
    assert [step for step, _ in losses] == [0, 2]
