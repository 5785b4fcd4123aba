"""Simple classifiers on the pixels of a run's images, against those of scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from training.data.image_folders import classes_of
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.runs.baselines import FILE, stored_baselines, write_baselines
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.load import load
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.evaluation import baselines
from tuitrain.training.evaluation.baselines import are_quick, compute_baselines, fit_linear, nearest_labels

Quick = Callable[..., Config]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def digits(quick: Quick) -> Dataset:
    return load(quick().data, 0, torch.device("cpu"))


def arrays(split: object) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    assert isinstance(split, MemorySplit)
    return split.images.flatten(1).float().numpy(), split.labels.numpy()


def test_the_baselines_of_the_digits_are_those_of_scikit_learn(digits: Dataset) -> None:
    found = compute_baselines(digits, "test")
    known, labels = arrays(digits.train)
    images, true = arrays(digits.test)
    nearest = KNeighborsClassifier(1).fit(known, labels)
    assert found.nearest_neighbor == nearest.score(images, true)
    scaled = [(part - known.mean()) / known.std() for part in (known, images)]
    linear = LogisticRegression(C=0.1, max_iter=1000).fit(scaled[0], labels)
    assert found.linear == pytest.approx(linear.score(scaled[1], true), abs=0.01)
    assert found.commonest_class == np.mean(true == np.argmax(np.bincount(labels)))
    assert (found.training_images, found.images) == (len(labels), len(true))
    assert found.matches("test", {"train": digits.train.fingerprint, "test": digits.test.fingerprint})
    assert compute_baselines(digits, "test") == found
    assert digits.validation is not None
    assert compute_baselines(digits, "validation").images == len(digits.validation)


def test_the_linear_model_comes_close_to_the_optimum(digits: Dataset) -> None:
    known, labels = arrays(digits.train)
    inputs = torch.from_numpy((known - known.mean()) / known.std())
    weights = fit_linear(inputs, torch.from_numpy(labels), 10)

    def objective(weights: torch.Tensor) -> float:
        logits = inputs @ weights[:-1] + weights[-1]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum")
        return (loss + weights[:-1].square().sum() / (2 * baselines.C)).item()

    best = LogisticRegression(C=baselines.C, max_iter=1000).fit(inputs.numpy(), labels)
    optimum = objective(torch.from_numpy(np.vstack([best.coef_.T, best.intercept_])).float())
    assert optimum <= objective(weights) < 1.03 * optimum


def test_the_penalty_does_not_apply_to_the_intercepts() -> None:
    labels = (torch.arange(100) < 10).long()
    weights = fit_linear(torch.zeros(100, 3), labels, 2)
    assert weights[-1].softmax(0).tolist() == pytest.approx([0.9, 0.1], abs=0.005)


def test_few_of_many_images_are_used(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_TRAINING", 300)
    monkeypatch.setattr(baselines, "MOST_EVALUATED", 200)
    before = torch.get_rng_state()
    found = compute_baselines(digits, "test")
    assert (found.training_images, found.images) == (300, 200)
    assert 0.9 < found.nearest_neighbor < 1
    assert torch.equal(torch.get_rng_state(), before)


def test_no_image_counts_more_often_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that alternate must not be left out, as they would be in steps of equal length."""
    labels = torch.arange(1000) % 10
    images = (labels.view(-1, 1, 1, 1) * 20).expand(1000, 1, 4, 4).to(torch.uint8).contiguous()
    rows = baselines._chosen(1000, 100)
    assert len(set(rows.tolist())) == 100
    assert set(labels[rows].tolist()) == set(range(10))
    pixels = images.flatten(1).float()
    monkeypatch.setattr(baselines, "CHUNK", 7)
    assert torch.equal(nearest_labels(pixels[rows], labels[rows], pixels), labels)


def test_large_images_are_scaled_down_and_constant_ones_have_baselines(tmp_path: Path, quick: Quick) -> None:
    photos = classes_of(tmp_path / "photos", {"ant": 12, "bee": 12, "cat": 1})
    data = quick("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=40").data
    folder = load(data, 0, torch.device("cpu"))
    assert are_quick(folder, "test")
    found = compute_baselines(folder, "test")
    assert found.commonest_class <= found.best.accuracy <= 1
    assert isinstance(folder.train, MemorySplit)
    folder.train.images.zero_()
    assert 0 <= compute_baselines(folder, "test").linear <= 1


def test_images_in_files_and_many_large_ones_are_not_quick(
    tmp_path: Path, quick: Quick, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = classes_of(tmp_path / "photos", {"ant": 12, "bee": 12})
    settings = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8", "data.storage=stream")
    assert not are_quick(load(quick(*settings).data, 0, torch.device("cpu")), "test")
    assert are_quick(digits, "test")
    for limit in ("MOST_VALUES", "MOST_CLASSES"):
        with monkeypatch.context() as patch:
            patch.setattr(baselines, limit, 9)
            assert not are_quick(digits, "test")


def log_of(run: Follower) -> str:
    return run.folder.log_file.read_text()


def test_a_run_stores_its_baselines_at_its_end(train: Callable[..., Follower], digits: Dataset) -> None:
    run = train("model.hidden=8", "training.epochs=1")
    stored = stored_baselines(run.folder)
    assert stored is not None
    assert stored == compute_baselines(digits, "test")
    assert "simple classifiers on the test images: commonest class" in log_of(run)


def test_baselines_are_computed_once(quick: Quick, tmp_path: Path) -> None:
    folder = create_run(RunSpec(config=quick("model.hidden=8", "training.epochs=1"), runs_dir=tmp_path))
    resume_run(folder, lambda *_: None, Inbox(folder))
    stored = stored_baselines(folder)
    assert stored is not None
    changed = type(stored)(
        split="test", training_images=1, images=1, commonest_class=0, nearest_neighbor=0, linear=0,
        fingerprints=stored.fingerprints,
    )  # fmt: skip
    write_baselines(folder, changed)
    resume_run(folder, lambda *_: None, Inbox(folder), epochs=2)
    assert stored_baselines(folder) == changed


def test_a_trial_has_no_baselines(quick: Quick, tmp_path: Path) -> None:
    spec = RunSpec(config=quick("model.hidden=8", "training.epochs=1"), runs_dir=tmp_path, parent="a-sweep")
    folder = create_run(spec)
    assert resume_run(folder, lambda *_: None, Inbox(folder)).status == "finished"
    assert stored_baselines(folder) is None


@pytest.mark.parametrize("error", [RuntimeError("no memory\x1b[31m"), MemoryError(), OSError(28, "No space left")])
def test_a_failure_of_baselines_is_no_failure_of_the_run(
    train: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(baselines, "compute_baselines", fail)
    run = train("model.hidden=8", "training.epochs=1")
    assert run.status == "finished"
    assert run.state.test is not None
    assert not (RunFolder(run.folder.path).evaluations / FILE).exists()
    assert "simple classifiers could not be compared" in log_of(run)
    assert "\x1b" not in log_of(run)
