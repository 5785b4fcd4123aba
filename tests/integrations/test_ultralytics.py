"""A training of Ultralytics is a run that the user can stop."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from logged_runs import points
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.scripts.follower import ScriptFollower

# Ultralytics reads these when it is imported. It must download, install and send nothing, and keep its settings here.
CACHE = Path(__file__).parents[2] / ".pytest_cache" / "ultralytics"
os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(CACHE))
ultralytics = pytest.importorskip("ultralytics")

from tuitrain.integrations.ultralytics import add_callbacks  # noqa: E402

Ended = Callable[[], ScriptFollower]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write 16 dark and 16 bright photos of 32 pixels for training, and as many for validation."""
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for name, darkest in (("dark", 0), ("bright", 128)):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(16):
                pixels = random.integers(darkest, darkest + 128, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def build(folder: Path) -> Any:
    model = ultralytics.YOLO("yolo11n-cls.yaml")
    add_callbacks(model, name="one", runs_dir=folder / "runs")
    return model


def options(photos: Path, epochs: int) -> dict[str, Any]:
    return {
        "data": str(photos), "epochs": epochs, "batch": 8, "imgsz": 32, "device": "cpu", "workers": 0, "plots": False,
        "project": str(photos.parent / "yolo"), "optimizer": "SGD", "lr0": 0.01, "verbose": False,
    }  # fmt: skip


def test_settings_and_metrics_are_logged(tmp_path: Path, photos: Path, ended: Ended) -> None:
    build(tmp_path).train(**options(photos, 2))
    run = ended()
    assert (run.status, run.state.epoch) == ("finished", 2)
    expected = {"optimizer.lr": 0.01, "data.batch_size": 8, "training.epochs": 2, "model.name": "yolo11n-cls.yaml"}
    assert {name: run.settings.get(name) for name in expected} == expected
    assert [step for step, _ in points(run, "train/loss")] == list(range(1, 9))
    accuracies = points(run, "metrics/accuracy_top1")
    assert [step for step, _ in accuracies] == [4, 8]
    # Ultralytics validates its best weights once more at the end.
    assert isinstance(run.info, ExternalRunInfo)
    assert run.info.curves["metrics/accuracy_top1"] == 2
    assert run.state.validation is not None
    assert run.state.validation.accuracy == accuracies[-1][1]
    assert [step for step, _ in points(run, "lr/pg0")] == [4, 8]


def test_a_run_stops_on_request(tmp_path: Path, photos: Path, ended: Ended, stop: Callable[[], None]) -> None:
    model, batches = build(tmp_path), []

    def count(_: Any) -> None:
        batches.append(1)
        if len(batches) == 6:
            stop()

    model.add_callback("on_train_batch_start", count)
    model.train(**options(photos, 1000))
    assert len(batches) == 6
    run = ended()
    assert run.status == "stopped"
    assert [step for step, _ in points(run, "metrics/accuracy_top1")] == [4, 6]
