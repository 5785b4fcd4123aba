"""A training of Hugging Face's Trainer is a run that the user can stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from logged_runs import points
from tuitrain.runs.scripts.follower import ScriptFollower

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from transformers import Trainer, TrainerCallback, TrainingArguments

from tuitrain.integrations.transformers import TuitrainCallback

Vectors = tuple[torch.Tensor, torch.Tensor]
Ended = Callable[[], ScriptFollower]


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(8, 2)

    def forward(self, points: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.linear(points)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


class AtStep(TrainerCallback):  # type: ignore[misc]
    """A callback that calls `action` at the end of a step."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self._step, self._action = step, action

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        if state.global_step == self._step:
            self._action()


def train(folder: Path, vectors: Vectors, epochs: int, *callbacks: Any) -> Any:
    data = [{"points": point, "labels": label} for point, label in zip(*vectors, strict=True)]
    arguments = TrainingArguments(
        str(folder / "out"), num_train_epochs=epochs, learning_rate=0.1, per_device_train_batch_size=16,
        eval_strategy="epoch", save_strategy="no", logging_steps=1, report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(
        Linear(), arguments, train_dataset=data, eval_dataset=data,
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())},
        callbacks=[TuitrainCallback(name="one", runs_dir=folder / "runs", config={"seed": 7}), *callbacks],
    )  # fmt: skip
    trainer.train()
    return trainer


def test_settings_and_metrics_are_logged(tmp_path: Path, vectors: Vectors, ended: Ended) -> None:
    train(tmp_path, vectors, 2)
    run = ended()
    assert (run.status, run.state.epoch) == ("finished", 2)
    expected = {"optimizer.lr": 0.1, "data.batch_size": 16, "training.epochs": 2, "training.seed": 7}
    assert {name: run.settings.get(name) for name in expected} == expected
    assert [step for step, _ in points(run, "loss")] == list(range(1, 9))
    accuracies = points(run, "eval_accuracy")
    assert [step for step, _ in accuracies] == [4, 8]
    assert run.state.validation is not None
    assert run.state.validation.accuracy == accuracies[-1][1] > 0.5


def test_a_run_stops_on_request(tmp_path: Path, vectors: Vectors, ended: Ended, stop: Callable[[], None]) -> None:
    trainer = train(tmp_path, vectors, 1000, AtStep(5, stop))
    assert trainer.state.global_step == 6
    assert ended().status == "stopped"
