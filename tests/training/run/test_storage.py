"""Runs on an image folder give the same weights wherever its pixels are kept, also after a stop in mid-epoch."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.data.image_folders import classes_of
from training.run.scripted_run import Quick
from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module

LOGGED = {"memory": "kept in memory as uint8: ", "cache": "kept as uint8 in /", "stream": "streamed: each batch"}


def test_the_log_says_where_the_pixels_are_and_resuming_is_exact(
    quick: Quick,
    interrupted: Callable[[Config, str], tuple[RunFolder, RunFolder]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    images = classes_of(tmp_path / "images", {"a": 30, "b": 30})
    found = []
    for storage, text in LOGGED.items():
        config = quick(
            "data.dataset=image-folder", f"data.dir={images}", "data.image_size=8", "data.batch_size=4",
            "model.name=cnn", "data.augment=[crop, flip]", "training.epochs=3", f"data.storage={storage}",
        )  # fmt: skip
        folders = interrupted(config, storage)
        assert f"data: {text}" in folders[0].log_file.read_text()
        found += [checkpoint.load(folder.checkpoints / "last.safetensors")["model"] for folder in folders]
    for weights in found[1:]:
        assert all(torch.equal(value, found[0][name]) for name, value in weights.items())
