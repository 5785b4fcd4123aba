"""How event files of other tools become the state of a run."""

import shutil
import time
from math import isnan, nan
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from runs.external.tensorboard.written_events import OLD, floats, keras, simple, write
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.follower import ExternalFollower
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.tensorboard import event_file
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.external.tensorboard.tfrecord import record


def read(folder: Path) -> ExternalFollower:
    run = ExternalFollower(ExternalFolder(TENSORBOARD, Found(folder)))
    while run.poll():
        pass
    return run


def rows(losses: list[float], accuracies: list[float], split: str = "val") -> list[bytes]:
    """Write one value of each list per ten steps; NaN is written, too."""
    return [
        simple(f"{split}_{name}", value, 10 * (index + 1), OLD + index)
        for name, values in (("loss", losses), ("accuracy", accuracies))
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("losses", "accuracies", "step", "loss", "accuracy"),
    [
        ([0.5, 0.25, 0.75], [0.5, 0.25, 1.0], 20, 0.25, 0.25),
        # The first of equal rows.
        ([0.5, 0.25, 0.25], [0.5, 0.25, 1.0], 20, 0.25, 0.25),
        ([nan, 0.5, nan], [0.5, 0.25, 1.0], 20, 0.5, 0.25),
        ([], [0.5, 1.0, 0.25], 20, None, 1.0),
        ([nan, nan, nan], [0.5, nan, 0.75], 30, None, 0.75),
    ],
)
def test_the_best_row_has_the_lowest_loss_or_else_the_highest_accuracy(
    tmp_path: Path, losses: list[float], accuracies: list[float], step: int, loss: float | None, accuracy: float
) -> None:
    write(tmp_path / "run", rows(losses, accuracies))
    best = read(tmp_path / "run").state.best
    assert best is not None
    assert (best.step, best.validation.loss, best.validation.accuracy) == (step, loss, accuracy)
    assert best.test is None


def test_there_is_no_best_row_without_a_finite_value(tmp_path: Path) -> None:
    write(tmp_path / "run", [*rows([nan], [nan]), simple("loss", 1.0, 10)])
    run = read(tmp_path / "run")
    assert run.state.best is None
    assert run.state.validation is None


def test_the_last_scores_are_the_last_finite_ones(tmp_path: Path) -> None:
    write(
        tmp_path / "run",
        [*rows([0.5, 0.25, nan], [0.5, nan, nan]), simple("test_loss", 2.0, 30), simple("loss", 3.0, 30)],
    )
    state = read(tmp_path / "run").state
    assert state.validation is not None
    assert (state.validation.loss, state.validation.accuracy) == (0.25, 0.5)
    for score, loss in ((state.train, 3.0), (state.test, 2.0)):
        assert score is not None
        assert score.loss == loss
        assert isnan(score.accuracy)


def test_steps_and_times(tmp_path: Path) -> None:
    write(tmp_path / "run", rows([0.5, 0.25, 0.75], [0.5, 0.25, 1.0]))
    state = read(tmp_path / "run").state
    assert (state.status, state.step, state.epoch, state.steps_per_epoch) == ("finished", 30, 0, 10)
    assert (state.started, state.ended, state.heartbeat, state.seconds) == (OLD, OLD + 2, OLD + 2, 2)


def test_epochs_as_steps(tmp_path: Path) -> None:
    write(tmp_path / "run", [keras("epoch_loss", epoch, floats(1.0), OLD + epoch) for epoch in range(4)])
    state = read(tmp_path / "run").state
    assert (state.step, state.epoch, state.epochs, state.steps_per_epoch) == (3, 4, 4, 1)


def test_a_run_ends_with_its_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    write(tmp_path / "run", [simple("loss", 1.0, 1, now)])
    run = read(tmp_path / "run")
    assert (run.status, run.state.ended) == ("running", None)
    assert not run.poll()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    assert run.poll()
    assert run.status == "finished"
    assert not run.poll()


def test_reading_takes_no_more_than_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "CHUNK", 4096)
    write(tmp_path / "run", [simple("loss", 1.0, step) for step in range(1000)])
    folder = ExternalFolder(TENSORBOARD, Found(tmp_path / "run"))
    assert not folder.advance(0)
    assert folder._run is not None
    assert folder._run.behind
    assert 0 < len(folder._run.train) < 500
    assert folder.advance(60)
    assert not folder._run.behind
    assert len(folder._run.train) == 1000


@pytest.mark.parametrize("size", [event_file.LONGEST - 100, event_file.LONGEST + 100, 3 * event_file.CHUNK])
def test_long_records_are_skipped(tmp_path: Path, size: int) -> None:
    picture = Event(summary=Summary(value=[Summary.Value(tag="picture", image={"encoded_image_string": bytes(size)})]))
    path = write(tmp_path / "run", [simple("loss", 1.0, 1), picture.SerializeToString(), simple("loss", 2.0, 2)])
    run = read(tmp_path / "run")
    assert list(run.train["loss"]) == [1.0, 2.0]
    assert run.state.reason == ""
    # The end of a long record that a writer has not finished is not a record.
    path.write_bytes(path.read_bytes()[:-50])
    with path.open("ab") as file:
        file.write(record(picture.SerializeToString())[: size // 2])
    assert list(read(tmp_path / "run").train["loss"]) == [1.0]


def test_a_file_that_disappears_or_shrinks_is_read_again_with_all_others(tmp_path: Path) -> None:
    one = write(tmp_path / "run", [simple("loss", 1.0, 1), simple("loss", 1.0, 2)])
    two = write(tmp_path / "run", [simple("loss", 2.0, 3)], begun=int(OLD) + 1)
    run = read(tmp_path / "run")
    assert list(run.train["loss"]) == [1.0, 1.0, 2.0]
    two.unlink()
    while run.poll():
        pass
    assert list(run.train["loss"]) == [1.0, 1.0]
    one.write_bytes(one.read_bytes()[: -len(record(simple("loss", 1.0, 2)))])
    while run.poll():
        pass
    assert list(run.train["loss"]) == [1.0]


def test_links_to_folders_are_not_parts_of_a_run(tmp_path: Path) -> None:
    write(tmp_path / "run" / "train", [simple("loss", 1.0, 1)])
    write(tmp_path / "elsewhere", [simple("loss", 2.0, 1)])
    (tmp_path / "run" / "validation").symlink_to(tmp_path / "elsewhere")
    folder = ExternalFolder(TENSORBOARD, Found(tmp_path / "run"))
    assert len(read(tmp_path / "run").evaluations["validation"]) == 0
    stamp = folder.stamp()
    write(tmp_path / "elsewhere", [simple("loss", 2.0, 1), simple("loss", 2.0, 2)])
    assert folder.stamp()[:-1] == stamp[:-1]
    write(tmp_path / "run" / "train", [simple("loss", 1.0, 1), simple("loss", 1.0, 2)])
    assert folder.stamp()[:-1] != stamp[:-1]


def test_long_tags_are_cut_and_too_many_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "MOST_TAGS", 3)
    tags = ["a", "b", "x" * 500, "c", "a"]
    write(tmp_path / "run", [simple(tag, 1.0, step) for step, tag in enumerate(tags)])
    (series,) = read(tmp_path / "run").source.series.values()
    assert {len(tag): list(found.step) for tag, found in series.items() if len(tag) > 1} == {400: [2]}
    assert {tag: list(found.step) for tag, found in series.items() if len(tag) == 1} == {"a": [0, 4], "b": [1]}


def test_a_run_that_has_only_begun_is_at_step_0(tmp_path: Path) -> None:
    write(tmp_path / "run", [simple("loss", 1.0, 0), simple("val_loss", 2.0, 0)])
    run = read(tmp_path / "run")
    assert (run.state.step, run.state.epoch, run.state.steps_per_epoch) == (0, 0, 0)
    assert run.state.best is not None
    assert (run.state.best.step, run.state.best.epoch) == (0, 0)


def test_a_run_of_another_tool_has_no_changed_settings(tmp_path: Path) -> None:
    write(tmp_path / "run", [simple("loss", 1.0, 1), simple("epoch", 3.0, 1)])
    run = read(tmp_path / "run")
    assert run.state.epochs == 3
    assert run.changes == {}


def test_a_folder_that_cannot_be_read_is_news_once(tmp_path: Path) -> None:
    write(tmp_path / "run", [simple("loss", 1.0, 1)])
    run = read(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    assert run.poll()
    assert run.problem == "run cannot be read: No such file or directory."
    assert not run.poll()


def test_the_host_is_that_in_the_name_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "run", [simple("loss", 1.0, 1)])
    assert read(tmp_path / "run").info.host == "gpu3"
    assert read(tmp_path / "run").info.created == OLD


def test_the_stamp_of_a_run_changes_with_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "run", [simple("loss", 1.0, 1)])
    folder = ExternalFolder(TENSORBOARD, Found(tmp_path / "run"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    ended = folder.stamp()
    monkeypatch.setattr(time, "time", lambda: now + 2e6)
    assert folder.stamp() == ended
    with path.open("ab") as file:
        file.write(record(simple("loss", 1.0, 2)))
    grown = folder.stamp()
    assert grown != ended
    write(tmp_path / "run" / "train", [simple("loss", 1.0, 1)])
    assert folder.stamp() not in (ended, grown)
    # A live run may end without any change of its files.
    monkeypatch.setattr(time, "time", lambda: now)
    live = folder.stamp()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert folder.stamp() != live
    shutil.rmtree(tmp_path / "run")
    assert folder.stamp() == ()
