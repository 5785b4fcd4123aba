"""`tuitrain show --metrics` and `--threshold`."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tuitrain
from tuitrain.cli import main
from tuitrain.runs.follower import Follower


def test_a_threshold_without_predictions_says_so(
    train: Callable[..., Follower], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = train("training.epochs=1").folder
    for file in folder.path.rglob("*.predictions.npz"):
        file.unlink()
    capfd.readouterr()
    assert main(["show", str(folder.path), "--threshold", "0.9"]) == 0
    assert "threshold 90.00 %: unknown effect, because the predictions are not stored" in capfd.readouterr().out


def test_a_threshold_may_reject_all_images(train: Callable[..., Follower], capfd: pytest.CaptureFixture[str]) -> None:
    folder = train("training.epochs=1", "optimizer.lr=0.000001").folder
    assert main(["show", str(folder.path), "--threshold", "1"]) == 0
    assert "threshold 100.00 %: rejects 100.00 % of the images\n" in capfd.readouterr().out


def test_a_script_without_predictions_is_told_how_to_store_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tuitrain.init(runs_dir=tmp_path) as run:
        run.log({"train/loss": 1.0})
    assert main(["show", run.dir, "--metrics"]) == 2
    assert "with log_predictions." in capfd.readouterr().err
