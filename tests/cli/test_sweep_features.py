"""The trials of a sweep share the features of a frozen backbone, also those that run at once."""

from pathlib import Path

from cli.sweeps import command
from tuitrain.runs.catalog.listing import all_folders

PROBE = ("model.name=cnn", "finetune.freeze=backbone", "training.epochs=1", "training.device=cpu")


def test_trials_that_run_at_once_compute_the_features_once(tmp_path: Path) -> None:
    settings = [part for setting in (*PROBE, "optimizer.lr=0.1,0.01,0.001") for part in ("--set", setting)]
    status, _, messages = command(tmp_path, *settings, "--parallel", "2")
    assert status == 0, messages
    logs = [folder.log_file.read_text() for folder in all_folders(tmp_path / "runs")]
    assert sum("features of 1,797 images read from the cache" in log for log in logs) >= 1
    read = [log.count(" images read from the cache") for log in logs]
    computed = [log.count(" images computed") for log in logs]
    assert (len(logs), min(one + other for one, other in zip(read, computed, strict=True))) == (3, 1)
