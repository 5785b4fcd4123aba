"""Early stopping, the time budget, and runs that fail."""

import math

import pytest
import torch
from torch import nn

from training.loop.reference_loop import OVERFITS, STEPS, Quick, Train, network, same, saved_weights, textbook
from tuitrain.training import loop as loop_module


def test_early_stopping(train: Train) -> None:
    run = train(*OVERFITS, "training.patience=2", "training.epochs=60")
    losses = run.evaluations["validation"]["loss"].tolist()
    best = losses.index(min(losses)) + 1
    assert run.state.status == "finished"
    assert "Stopped early: no better validation loss for 2 epochs." in run.state.reason
    assert run.state.epoch == len(losses) == best + 2 < 60
    assert run.state.test is not None


def test_patience_that_runs_out_in_the_last_epoch_is_no_early_stop(train: Train) -> None:
    epochs = train(*OVERFITS, "training.patience=2", "training.epochs=60").state.epoch
    run = train(*OVERFITS, "training.patience=2", f"training.epochs={epochs}")
    assert (run.state.status, run.state.reason, run.state.epoch) == ("finished", "", epochs)


def test_time_budget(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    run = train("training.max_minutes=1e-9", "training.epochs=50")
    assert run.state.status == "finished"
    assert "time budget" in run.state.reason
    assert (run.state.epoch, run.state.step) == (0, 1)
    assert run.state.samples_per_second > 0
    # The weights so far are evaluated.
    assert run.evaluations["validation"].step.tolist() == run.evaluations["test"].step.tolist() == [1]
    assert run.state.best is not None
    assert run.state.best.epoch == 1


@pytest.mark.parametrize("log_every", [1, 4, 100])
def test_a_loss_that_is_not_finite_fails_and_names_its_step(quick: Quick, train: Train, log_every: int) -> None:
    def diverging(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e6, fused=True)

    settings = ("optimizer.name=sgd", "optimizer.lr=1e6", "training.epochs=3")
    losses = textbook(quick(*settings), diverging).losses
    step = next(step for step, loss in enumerate(losses, 1) if not math.isfinite(loss))
    assert 1 < step <= STEPS
    run = train(*settings, f"training.log_every={log_every}")
    assert run.state.status == "failed"
    assert f"at step {step} (epoch 1)" in run.state.reason
    assert "learning rate below 1e+06" in run.state.reason
    assert run.events[-1].name == "failed"
    assert all(bool(weight.isfinite().all()) for weight in saved_weights(run))
    assert not any("Traceback" in line for line in run.log)


def test_infinite_weights_fail_although_the_loss_is_finite(train: Train) -> None:
    run = train("optimizer.name=sgd", "optimizer.lr=1e40", "data.batch_size=5000", "training.epochs=3")
    assert run.state.status == "failed"
    assert "weights became NaN or infinite by step 1" in run.state.reason
    assert math.isfinite(run.train["loss"][0])
    assert same(saved_weights(run), [weight.detach() for weight in network(0).parameters()])
    # The evaluation of the broken model is readable and has no loss.
    evaluation = run.folder.evaluation("validation")
    assert evaluation is not None
    assert evaluation.loss is None
    assert math.isnan(run.evaluations["validation"]["loss"][0])
    assert run.state.best is None


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("model.batch_norm=true", "data.batch_size=68"), id="a last batch of one image"),
        pytest.param(("data.batch_size=100000",), id="a batch larger than the data"),
        pytest.param(("model.hidden=[]",), id="no hidden layer"),
        pytest.param(("training.precision=bf16",), id="bf16"),
        pytest.param(("training.deterministic=true", "model.name=cnn"), id="deterministic"),
        pytest.param(
            ("data.batch_size=1", "data.fraction=0.2", "training.log_every=150", "optimizer.lr=0.0003"),
            id="one image per batch",
        ),
        pytest.param(("model.name=cnn", "model.batch_norm=true", "data.batch_size=68"), id="cnn with one image left"),
    ],
)
def test_edge_cases_train(train: Train, settings: tuple[str, ...]) -> None:
    run = train("training.epochs=3", "optimizer.lr=0.003", *settings)
    assert (run.state.status, run.state.epoch) == ("finished", 3)
    losses = run.evaluations["validation"]["loss"]
    assert losses[-1] < losses[0]
    assert run.train.step[-1] == run.state.step == run.state.steps
