"""`tuitrain show --metrics` and `--threshold`."""

from collections.abc import Callable

import pytest

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
