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
    assert lines[0].endswith(" · best so far by loss")
    assert run.folder.path.parent == tmp_path / "runs"


@pytest.mark.parametrize("goal", ["accuracy", "macro-f1", "balanced-accuracy"])
def test_the_best_epoch_is_the_first_with_the_highest_score(train: Train, goal: str) -> None:
    settings = (*OVERFITS, "training.epochs=12", "evaluation.test_every=1")
    run = train(*settings, f"training.best={goal}")
    by_loss = train(*settings)
    # Training is the same; only the choice of the epoch differs.
    assert same(saved_weights(run), saved_weights(by_loss))
    best, lines = run.state.best, [line for line in run.log if "best so far by" in line]
    assert best is not None
    assert by_loss.state.best is not None
    assert (best.metric, by_loss.state.best.metric) == (goal, "loss")
    assert by_loss.state.best.value == by_loss.state.best.validation.loss
    assert best.epoch != by_loss.state.best.epoch
    marks = run.evaluations["validation"]["best"].tolist()
    assert best.epoch == max(epoch for epoch, mark in enumerate(marks, 1) if mark)
    title = {"accuracy": "accuracy", "macro-f1": "macro-F1", "balanced-accuracy": "balanced accuracy"}[goal]
    assert all(line.endswith(f" · best so far by {title}") for line in lines)
    assert len(lines) == sum(marks)
    if goal == "accuracy":
        accuracies = run.evaluations["validation"]["accuracy"].tolist()
        assert (best.epoch, best.value) == (accuracies.index(max(accuracies)) + 1, max(accuracies))
    else:
        assert f", {title} {100 * (best.value or 0):.2f} % · best so far" in lines[-1]
    assert best.test is not None
    assert best.test.accuracy == run.evaluations["test"]["accuracy"][best.epoch - 1]


def test_early_stopping_and_plateau_follow_the_goal(train: Train) -> None:
    plateau = ("schedule.name=plateau", "schedule.patience=1", "schedule.gamma=0.9999")
    run = train(*OVERFITS, *plateau, "training.patience=3", "training.epochs=40", "training.best=accuracy")
    accuracies = run.evaluations["validation"]["accuracy"].tolist()
    best = accuracies.index(max(accuracies)) + 1
    assert run.state.epoch == len(accuracies) == best + 3
    assert run.state.reason == "Stopped early: no better validation accuracy for 3 epochs."
    drops = [event for event in run.events if event.name == "drop"]
    assert drops[-1].step == (best + 2) * run.state.steps_per_epoch
    assert {event.detail for event in drops} == {"no better validation accuracy"}


def test_small_improvements_do_not_reset_patience_but_are_the_best(train: Train) -> None:
    settings = ("optimizer.lr=0.0001", "training.epochs=30", "training.patience=3")
    assert train(*settings).state.epoch == 30
    run = train(*settings, "training.min_delta=0.2")
    losses = run.evaluations["validation"]["loss"].tolist()
    # As in Keras and Lightning: an improvement counts against the last one that did.
    reference, since, expected = math.inf, 0, 0
    for expected, loss in enumerate(losses, 1):  # noqa: B007
        reference, since = (loss, 0) if loss < reference - 0.2 else (reference, since + 1)
        if since == 3:
            break
    assert run.state.epoch == expected < 30
    assert run.state.best is not None
    assert run.state.best.epoch == expected


def test_an_evaluation_before_the_first_step(quick: Quick, train: Train) -> None:
    settings = ("training.epochs=2", "model.dropout=0.2")
    run, other = train(*settings, "evaluation.at_start=true"), train(*settings)
    curve = run.evaluations["validation"]
    assert (curve.step.tolist(), curve["epoch"].tolist()) == ([0, STEPS, 2 * STEPS], [0, 1, 2])
    assert list(curve["loss"][1:]) == list(other.evaluations["validation"]["loss"])
    assert same(saved_weights(run), saved_weights(other))
    assert (run.state.best, run.state.test) == (other.state.best, other.state.test)
    setup = prepared(quick(*settings))
    images, labels = tensors(setup, setup.dataset.validation)
    with torch.no_grad():
        expected = F.cross_entropy(setup.model.eval()(images), labels).item()
    assert curve["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert sum("epoch 0 · val" in line for line in run.log) == 1


def test_the_evaluation_before_the_first_step_is_never_the_best(train: Train) -> None:
    run = train("evaluation.at_start=true", "optimizer.name=sgd", "optimizer.lr=5", "optimizer.clip_norm=10",
                "training.epochs=2", "training.best=accuracy")  # fmt: skip
    assert run.evaluations["validation"]["best"].tolist()[0] == 0
    assert run.state.best is not None
    assert run.state.best.epoch > 0
