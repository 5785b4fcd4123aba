"""A training of Lightning is a run that the user can stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from logged_runs import points
from tuitrain.runs.scripts.follower import ScriptFollower

pytest.importorskip("lightning")

from lightning import LightningModule, Trainer

from tuitrain.integrations.lightning import StopOnRequest, TuitrainLogger

Vectors = tuple[torch.Tensor, torch.Tensor]
Ended = Callable[[], ScriptFollower]


class Linear(LightningModule):  # type: ignore[misc]
    """A linear classifier that calls `at_step` before each step."""

    def __init__(self, lr: float, at_step: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self.save_hyperparameters({"lr": lr})
        self.linear, self.at_step = torch.nn.Linear(8, 2), at_step

    def training_step(self, batch: Vectors, index: int) -> torch.Tensor:  # noqa: ARG002
        self.at_step(self.global_step)
        loss = cross_entropy(self.linear(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Vectors, index: int) -> None:  # noqa: ARG002
        self.log("val_acc", (self.linear(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.hparams["lr"])


def fit(folder: Path, vectors: Vectors, model: Linear, epochs: int) -> Any:
    trainer = Trainer(
        logger=TuitrainLogger(name="one", runs_dir=folder / "runs"), callbacks=[StopOnRequest()], accelerator="cpu",
        max_epochs=epochs, log_every_n_steps=1, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False,
    )  # fmt: skip
    batches = DataLoader(TensorDataset(*vectors), batch_size=16)
    trainer.fit(model, batches, batches)
    return trainer


def test_settings_and_metrics_are_logged(tmp_path: Path, vectors: Vectors, ended: Ended) -> None:
    fit(tmp_path, vectors, Linear(0.5), epochs=2)
    run = ended()
    assert (run.status, run.state.epoch) == ("finished", 2)
    assert run.settings == {"optimizer.lr": 0.5, "training.epochs": 2}
    assert [step for step, _ in points(run, "train_loss")] == list(range(8))
    accuracies = points(run, "val_acc")
    assert [step for step, _ in accuracies] == [3, 7]
    assert run.state.validation is not None
    assert run.state.validation.accuracy == accuracies[-1][1] > 0.5


def test_a_run_stops_on_request(tmp_path: Path, vectors: Vectors, ended: Ended, stop: Callable[[], None]) -> None:
    trainer = fit(tmp_path, vectors, Linear(0.5, lambda step: stop() if step == 5 else None), epochs=1000)
    assert trainer.global_step == 6
    assert ended().status == "stopped"


def test_a_run_fails_with_an_exception(tmp_path: Path, vectors: Vectors, ended: Ended) -> None:
    def fail(step: int) -> None:
        raise ValueError(f"bad step {step}")

    with pytest.raises(ValueError, match="bad step 0"):
        fit(tmp_path, vectors, Linear(0.5, fail), epochs=1)
    assert ended().status == "failed"
