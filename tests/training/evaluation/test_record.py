"""Evaluations during a run, and their record in its folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.rows import Evaluated, decode
from tuitrain.runs.writer import RunWriter, create
from tuitrain.training import checkpoint
from tuitrain.training.evaluation.record import evaluate_at_start, evaluate_final, evaluate_test, evaluate_validation
from tuitrain.training.progress import TrainingProgress
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


@pytest.fixture
def setup(quick: Quick) -> Setup:
    return prepare(quick("model.hidden=[8]"), lambda *_: None)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    writer = RunWriter(create(tmp_path, RunInfo(id="", name="one"), Config()))
    # The state was written just before, so only a status or `now` writes it again soon.
    writer.update(now=True)
    yield writer
    writer.close()


def rows(folder: RunFolder) -> list[Evaluated]:
    read = [decode(line) for line in folder.metrics_file.read_bytes().splitlines()]
    return [row for row in read if isinstance(row, Evaluated)]


def worsen(setup: Setup) -> None:
    """Let the model be certain of one class."""
    with torch.no_grad():
        [*setup.model.parameters()][-1][0] += 100.0


def test_the_best_epoch_has_the_lowest_validation_loss(setup: Setup, writer: RunWriter) -> None:
    progress = TrainingProgress(lr=0.1, epochs=3, epoch=1, step=20)
    assert evaluate_validation(setup, writer, progress, lambda: None).is_best
    best = progress.best
    assert best is not None
    assert (best.epoch, best.step, best.value, best.test) == (1, 20, best.validation.loss, None)
    # An equal loss is not lower.
    progress.epoch, progress.step = 2, 40
    assert not evaluate_validation(setup, writer, progress, lambda: None).is_best
    worsen(setup)
    progress.epoch, progress.step = 2, 50
    progress.batch = 1
    assert not evaluate_validation(setup, writer, progress, lambda: None).is_best
    assert progress.best == best
    assert [(row.split, row.step, row.epoch, row.best) for row in rows(writer.folder)] == [
        ("validation", 20, 1, True), ("validation", 40, 2, False), ("validation", 50, 3, False),
    ]  # fmt: skip
    assert writer.state.best == best
    assert writer.state.validation is not None
    assert (writer.state.validation.loss or 0.0) > (best.validation.loss or 0.0)


def test_a_loss_that_is_not_finite_is_never_the_best(setup: Setup, writer: RunWriter) -> None:
    with torch.no_grad():
        [*setup.model.parameters()][-1].fill_(float("nan"))
    progress = TrainingProgress(lr=0.1, epochs=3)
    assert not evaluate_validation(setup, writer, progress, lambda: None).is_best
    assert progress.best is None
    assert rows(writer.folder)[0].loss is None


@pytest.mark.parametrize("best_is_last", [True, False])
def test_the_end_tests_the_last_and_the_best_weights(setup: Setup, writer: RunWriter, best_is_last: bool) -> None:
    progress = TrainingProgress(lr=0.1, epochs=3, epoch=1, step=20)
    evaluate_validation(setup, writer, progress, lambda: None)
    best_test = evaluate_test(setup, writer, progress, lambda: None)
    if not best_is_last:
        path = writer.folder.checkpoints / "best.safetensors"
        checkpoint.save(path, {"model": setup.model.state_dict()})
        worsen(setup)
        progress.epoch, progress.step = 2, 40
    weights = {name: value.clone() for name, value in setup.model.state_dict().items()}
    evaluate_final(setup, writer, progress, lambda: None)
    # Before the end of the run, so that a kill does not lose it.
    written = writer.folder.state()
    assert written.best is not None
    assert (written.best.step, written.best.test) == (20, best_test)
    assert (writer.state.test == best_test) == best_is_last
    assert all(torch.equal(value, weights[name]) for name, value in setup.model.state_dict().items())
    tested = writer.folder.evaluation("test", "last" if best_is_last else "best")
    assert tested is not None
    assert (tested.epoch, tested.step, tested.accuracy) == (1, 20, best_test.accuracy)
    for split in ("test", "validation"):
        predictions = writer.folder.predictions(split, "last" if best_is_last else "best")
        evaluation = writer.folder.evaluation(split, "last" if best_is_last else "best")
        assert predictions is not None
        assert evaluation is not None
        assert predictions.step == 20
        assert predictions.predicted.astype("<u2").tobytes() == evaluation.predicted
        assert predictions.labels.astype("<u2").tobytes() == evaluation.true
        assert predictions.names == tuple(map(str, range(len(predictions.labels))))
    assert [(row.split, row.step, row.best) for row in rows(writer.folder)][-1] == ("test", progress.step, False)


def test_best_weights_that_are_lost_leave_the_last_ones(setup: Setup, writer: RunWriter) -> None:
    progress = TrainingProgress(lr=0.1, epochs=3, epoch=1, step=20)
    evaluate_validation(setup, writer, progress, lambda: None)
    progress.step = 40
    evaluate_final(setup, writer, progress, lambda: None)
    assert "the best weights cannot be tested" in writer.folder.log_file.read_text()
    assert writer.state.test is not None
    assert progress.best is not None
    assert progress.best.test is None


def test_predictions_that_are_too_large_leave_no_older_ones(
    setup: Setup, writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = TrainingProgress(lr=0.1, epochs=3, epoch=1, step=20)
    evaluate_test(setup, writer, progress, lambda: None)
    monkeypatch.setattr("tuitrain.runs.predictions.LARGEST", 1000)
    evaluate_test(setup, writer, progress, lambda: None)
    assert writer.folder.predictions("test") is None
    assert "the probabilities of the test split are too large to store" in writer.folder.log_file.read_text()


def test_without_a_validation_split_no_epoch_is_the_best(quick: Quick, writer: RunWriter) -> None:
    setup = prepare(quick("model.hidden=[8]", "data.validation=0"), lambda *_: None)
    progress = TrainingProgress(lr=0.1, epochs=3, epoch=1, step=20)
    assert not evaluate_validation(setup, writer, progress, lambda: None).is_best
    evaluate_final(setup, writer, progress, lambda: None)
    assert progress.best is None
    assert [row.split for row in rows(writer.folder)] == ["test"]


def test_an_evaluation_before_the_first_step_is_shown_at_once_and_never_the_best(
    setup: Setup, writer: RunWriter
) -> None:
    progress = TrainingProgress(lr=0.1, epochs=3)
    evaluate_at_start(setup, writer, progress, lambda: None)
    state = writer.folder.state()
    assert state.validation is not None
    assert (progress.best, state.best) == (None, None)
    assert [(row.split, row.step, row.epoch, row.best) for row in rows(writer.folder)] == [("validation", 0, 0, False)]
