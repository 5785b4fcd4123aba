"""Runs with random transforms of pixels and mixed labels: bit-exact resuming, in memory and streamed, and metrics."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from training.data.image_folders import noise
from training.run.resumed_runs import Read, assert_same
from tuitrain.config.data.schema import Augmentation
from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import loop as loop_module

Quick = Callable[..., Config]
Interrupted = Callable[[Config, str], tuple[RunFolder, RunFolder]]
Train = Callable[..., Follower]
SHORT = ("training.epochs=2", "training.log_every=2", "model.hidden=16")
NAMES = [name for name in get_args(Augmentation) if name != "auto"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with 24 photos of each of two classes, half of them upright."""
    for number in range(24):
        for index, name in enumerate(("a", "b")):
            size = (24, 16) if number % 2 else (16, 24)
            noise(tmp_path / "photos" / name / f"{number}.png", 100 * index + number, size=size)
    return tmp_path / "photos"


@pytest.mark.parametrize("names", [*NAMES, "mixup, cutmix"])
def test_they_resume_bit_identically(
    quick: Quick, read: Read, interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    whole, cut = interrupted(quick(*SHORT, "data.batch_size=200", f"data.augment=[{names}]"), names)
    assert_same(read(whole), read(cut))


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_crops_of_photos_resume_bit_identically(
    quick: Quick, read: Read, interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch, photos: Path, storage: str
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    folder = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8", f"data.storage={storage}")
    augment = "data.augment=[random-resized-crop, flip, trivialaugment, erase, mixup]"
    whole, cut = interrupted(quick(*SHORT, *folder, augment, "data.batch_size=8"), storage)
    assert_same(read(whole), read(cut))


def test_they_train_with_accumulation_clipping_smoothing_and_bf16(train: Train) -> None:
    run = train(
        *SHORT, "data.augment=[rotate, cutmix, mixup]", "data.batch_size=50", "optimizer.accumulate=2",
        "optimizer.clip_norm=1", "training.label_smoothing=0.1", "training.precision=bf16", "training.epochs=8",
        "optimizer.lr=0.01", "model.hidden=64", "training.class_weights=balanced", "data.sampler=balanced",
    )  # fmt: skip
    assert run.state.status == "finished"
    assert run.state.validation is not None
    assert run.state.train is not None
    # The network learns, although most training images are mixtures.
    assert run.state.validation.accuracy > 0.7
    assert 0.3 < run.state.train.accuracy < run.state.validation.accuracy


@pytest.mark.parametrize("augment", ["mixup", "cutmix", "rotate"])
def test_the_log_says_that_labels_are_mixed(train: Train, augment: str) -> None:
    run = train(*SHORT, f"data.augment=[{augment}]", "training.epochs=1")
    said = f"{augment} mixes labels" in run.folder.log_file.read_text()
    assert said == (augment != "rotate")
