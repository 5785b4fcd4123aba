"""Evaluations, the best epoch and the log."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from training.loop.reference_loop import OVERFITS, STEPS, Quick, Train, prepared, same, saved_weights, tensors
from tuitrain.training import checkpoint


def test_state_of_a_finished_run(train: Train) -> None:
    state = train("training.epochs=2").state
    assert (state.status, state.reason, state.phase) == ("finished", "", "")
    assert (state.epoch, state.epochs, state.step, state.steps, state.steps_per_epoch) == (2, 2, 42, 42, STEPS)
    assert state.samples_per_second == pytest.approx(2 * 1293 / state.seconds)
    assert state.started is not None
    assert state.ended is not None
    assert state.started < state.ended
    assert None not in (state.train, state.validation, state.test, state.best, state.memory)


def test_evaluating_the_test_split_changes_nothing(train: Train) -> None:
    settings = ("training.epochs=3", "model.dropout=0.3", "data.augment=[shift]", "training.log_every=1")
    once, every_epoch = train(*settings), train(*settings, "evaluation.test_every=1")
    assert once.evaluations["test"]["epoch"].tolist() == [3]
    assert every_epoch.evaluations["test"]["epoch"].tolist() == [1, 2, 3]
    assert same(saved_weights(once), saved_weights(every_epoch))
    assert once.train["loss"] == every_epoch.train["loss"]
    assert once.state.test == every_epoch.state.test


def test_epochs_with_a_test_evaluation(train: Train) -> None:
    run = train("training.epochs=5", "evaluation.test_every=2")
    assert run.evaluations["test"]["epoch"].tolist() == [2, 4, 5]
    assert run.evaluations["validation"]["epoch"].tolist() == [1, 2, 3, 4, 5]


def test_without_a_validation_split(train: Train) -> None:
    run = train("data.validation=0", "training.epochs=2")
    assert run.state.best is None
    assert run.state.validation is None
    assert not len(run.evaluations["validation"])
    assert run.state.test is not None
    assert [path.name for path in run.folder.checkpoints.iterdir()] == ["last.safetensors"]
    assert run.state.samples_per_second * run.state.seconds == pytest.approx(2 * 1437)


def test_best_epoch_has_the_lowest_validation_loss(quick: Quick, train: Train) -> None:
    settings = (*OVERFITS, "training.epochs=12")
    run = train(*settings)
    losses, best = run.evaluations["validation"]["loss"].tolist(), run.state.best
    assert best is not None
    assert best.epoch == losses.index(min(losses)) + 1 < 12
    assert best.validation.loss == min(losses)
    lowest = math.inf
    for loss, mark in zip(losses, run.evaluations["validation"]["best"], strict=True):
        assert mark == (loss < lowest)
        lowest = min(lowest, loss)
    setup = prepared(quick(*settings))
    setup.model.load_state_dict(checkpoint.load(run.folder.checkpoints / "best.safetensors")["model"])
    setup.model.eval()
    assert best.test is not None
    assert best.test != run.state.test
    for split, score in ((setup.dataset.validation, best.validation), (setup.dataset.test, best.test)):
        images, labels = tensors(setup, split)
        with torch.no_grad():
            logits = setup.model(images)
        assert score.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
        assert score.accuracy == (logits.argmax(1) == labels).double().mean().item()
    evaluation = run.folder.evaluation("test", "best")
    assert evaluation is not None
    assert (evaluation.epoch, evaluation.step, evaluation.accuracy) == (best.epoch, best.step, best.test.accuracy)


def test_the_log_has_a_line_per_epoch(train: Train, tmp_path: Path) -> None:
    run = train("training.epochs=2")
    lines = [line for line in run.log if "epoch" in line]
    assert len(lines) == 2
    assert "train" in lines[0]
    assert " val " in lines[0]
    assert "best so far" in lines[0]
    assert run.folder.path.parent == tmp_path / "runs"
