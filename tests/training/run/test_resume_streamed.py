"""A balanced sampler on streamed images: stopped in mid-epoch, resumed bit-exactly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.data.image_folders import classes_of
from training.run.resumed_runs import Quick, Read, assert_same, create
from tuitrain.hosts.launch import resume_run
from tuitrain.runs.control import Inbox
from tuitrain.training import loop as loop_module


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_a_run_on_unequal_classes_stopped_in_mid_epoch(
    quick: Quick, read: Read, tmp_path: Path, poll_inbox: Callable[..., Any], storage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    photos = classes_of(tmp_path / "photos", {"ant": 30, "bee": 9})
    config = quick(
        "data.dataset=image-folder", f"data.dir={photos}", f"data.storage={storage}", "data.workers=0",
        "data.image_size=8", "data.batch_size=4", "data.sampler=balanced", "data.augment=[flip]",
        "data.fraction=0.8", "training.class_weights=balanced", "training.best=balanced-accuracy",
        "training.epochs=3", "training.log_every=1", "evaluation.at_start=true", "model.hidden=[8]",
    )  # fmt: skip
    uncut, cut = create(config, tmp_path), create(config, tmp_path)
    assert resume_run(uncut, lambda *_: None, Inbox(uncut)).status == "finished"
    steps = uncut.state().steps_per_epoch
    stopped = []
    for poll in (2, 3, 2):
        state = resume_run(cut, lambda *_: None, poll_inbox(cut, poll, "stop"))
        stopped.append(state.step % steps)
    assert any(stopped)
    assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
    assert_same(read(cut), read(uncut))
