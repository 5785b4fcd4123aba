"""A training of Keras is a run that the user can stop."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from logged_runs import points
from tuitrain.runs.scripts.follower import ScriptFollower

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")

from tuitrain.integrations.keras import TuitrainCallback  # noqa: E402

Vectors = tuple[torch.Tensor, torch.Tensor]
Ended = Callable[[], ScriptFollower]


def build() -> Any:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def options(vectors: Vectors, epochs: int) -> dict[str, Any]:
    x, y = (tensor.numpy() for tensor in vectors)
    return {"x": x, "y": y, "validation_data": (x, y), "batch_size": 16, "epochs": epochs, "verbose": 0}


def test_settings_and_metrics_are_logged(tmp_path: Path, vectors: Vectors, ended: Ended) -> None:
    model = build()
    callback = TuitrainCallback(name="one", runs_dir=tmp_path / "runs", config={"batch_size": 16})
    model.fit(**options(vectors, 2), callbacks=[callback])
    model.fit(**options(vectors, 3), initial_epoch=2, callbacks=[callback])
    run = ended()
    assert (run.status, run.state.epoch) == ("finished", 3)
    expected = {
        "optimizer.name": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9, "data.batch_size": 16,
        "training.epochs": 2,
    }  # fmt: skip
    assert {name: run.settings.get(name) for name in expected} == expected
    assert [step for step, _ in points(run, "loss")] == list(range(1, 13))
    assert [step for step, _ in points(run, "learning_rate")] == [4, 8, 12]
    accuracies = points(run, "val_accuracy")
    assert [step for step, _ in accuracies] == [4, 8, 12]
    assert run.state.validation is not None
    assert run.state.validation.accuracy == accuracies[-1][1] > 0.5


def test_a_run_stops_on_request(tmp_path: Path, vectors: Vectors, ended: Ended, stop: Callable[[], None]) -> None:
    model = build()
    user = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: stop() if batch == 2 else None  # noqa: ARG005
    )
    model.fit(**options(vectors, 1000), callbacks=[TuitrainCallback(name="one", runs_dir=tmp_path / "runs"), user])
    assert int(model.optimizer.iterations) == 4
    assert ended().status == "stopped"
