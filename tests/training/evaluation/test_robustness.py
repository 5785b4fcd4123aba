"""Evaluations of corrupted images, from a trained run to the accuracies."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.image_folders import classes_of
from tuitrain.errors import DataError
from tuitrain.hosts.evaluate import opened
from tuitrain.hosts.robustness.evaluate import evaluate_robustness
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.robustness import Robustness

Train = Callable[..., Follower]
SMALL = ("model.hidden=32", "training.epochs=5")
USER = """
import numpy as np


def images(kind, channels=1):
    random = np.random.default_rng(0)
    found = random.random((60, channels, 12, 12), dtype=np.float32)
    labels = np.arange(60) % 2
    found[labels == 1] *= 0.5
    if kind == "normalized":
        found = (found - found.mean()) / found.std()
    return {"train": (found, labels), "classes": ["bright", "dark"]}


def unit():
    return images("unit")


def normalized():
    return images("normalized")


def four():
    return images("unit", 4)
"""


def robustness(folder: RunFolder, split: str = "test", which: str = "") -> Robustness:
    return evaluate_robustness(folder, split, which, "cpu", lambda *_: None)  # type: ignore[arg-type]


def test_accuracies_equal_those_of_a_plain_script(train: Train) -> None:
    run = train(*SMALL)
    found = robustness(run.folder)
    assert run.state.best is not None
    assert run.state.best.test is not None
    assert found.clean == run.state.best.test.accuracy
    assert (found.checkpoint, found.epoch, found.images) == ("best", run.state.best.epoch, 360)
    assert found.fingerprint == run.info.fingerprints["test"]
    with opened(run.folder, "test", "best", "cpu", lambda *_: None) as (setup, _):
        ((images, labels),) = setup.dataset.test.batches(torch.arange(360), 360)
        values = []
        for image in (images.numpy() / 16 * 255).round().astype(np.uint8):
            file = io.BytesIO()
            Image.fromarray(image[0]).save(file, "JPEG", quality=40)
            values.append(np.array(Image.open(file), dtype=np.float32)[None] / 255)
        mean, std = (np.array(each, dtype=np.float32).reshape(-1, 1, 1) for each in (run.info.mean, run.info.std))
        predicted = setup.model.eval()(torch.from_numpy((np.stack(values) - mean) / std)).argmax(1)
    assert found.corrupted["jpeg"][4] == int((predicted == labels).sum()) / 360
    assert found.corrupted["blur"][4] < found.clean - 0.05


def test_results_depend_neither_on_batches_nor_on_the_order_of_calls(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train(*SMALL).folder
    first = robustness(folder)
    assert robustness(folder, "validation").split == "validation"
    monkeypatch.setattr("tuitrain.training.evaluation.evaluate.CPU_BATCH", 17)
    again = robustness(folder)
    for name, accuracies in first.corrupted.items():
        # Rounding in a sum of another order may decide one image.
        assert again.corrupted[name] == pytest.approx(accuracies, abs=1.5 / 360)
    assert again.corrupted["noise"] == first.corrupted["noise"]
    last = robustness(folder, which="last")
    assert (last.checkpoint, last.step) == ("last", folder.state().step)


def test_small_images_are_enlarged_before_they_are_corrupted(train: Train) -> None:
    assert robustness(train(*SMALL, "data.image_size=64").folder).benchmark == "Tiny ImageNet-C"


def test_streamed_photos_equal_those_in_memory(train: Train, tmp_path: Path) -> None:
    photos = classes_of(tmp_path / "photos", {"ant": 20, "bee": 20})
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=20", *SMALL)
    found = [robustness(train(*data, f"data.storage={storage}").folder) for storage in ("memory", "stream")]
    assert found[0].corrupted == found[1].corrupted
    assert found[0].images == 8


def test_pictures_of_a_users_data_set_have_values_from_0_to_1(train: Train, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(USER)
    run = train(f"data.dataset={file}:unit", *SMALL)
    found = robustness(run.folder)
    assert found.images == 12
    assert run.state.best is not None
    assert run.state.best.test is not None
    assert found.clean == run.state.best.test.accuracy
    for function, reason in (
        ("normalized", r"have values from -1\.\d+ to 2\.\d+, and pictures to corrupt have 0 to 1"),
        ("four", "have 4 channels, and pictures to corrupt have 1 or 3"),
    ):
        folder = train(f"data.dataset={file}:{function}", *SMALL).folder
        with pytest.raises(DataError, match=reason):
            robustness(folder)


def test_a_transform_of_training_batches_does_not_change_the_pictures(train: Train, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def inverted(images):\n    return -images\n")
    folder = train(*SMALL, f"data.transform={file}:inverted").folder
    best = folder.best_test(folder.state())
    assert best is not None
    assert robustness(folder).clean == best.accuracy
