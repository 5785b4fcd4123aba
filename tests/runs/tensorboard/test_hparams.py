from math import inf
from typing import Any

import pytest

from tuitrain.runs.tensorboard.hparams import by_setting


@pytest.mark.parametrize(
    ("hparams", "settings"),
    [
        ({"lr": 0.1, "bs": 32.0}, {"optimizer.lr": 0.1, "data.batch_size": 32}),
        ({"lr": 1.0}, {"optimizer.lr": 1.0}),
        # Of two names of a setting, the first counts.
        ({"lr": 0.1, "learning_rate": 0.2}, {"optimizer.lr": 0.1}),
        # Names that are no setting, and values that do not fit one.
        (
            {"depth": 3.0, "width": 2.5, "huge": 2.0**53, "far": inf},
            {"depth": 3, "width": 2.5, "huge": 2.0**53, "far": inf},
        ),
        ({"bs": 2.5, "optimizer.momentum": "high", "none": None, "lr": None}, {"bs": 2.5}),
    ],
)
def test_hyperparameters_become_settings_where_they_fit(hparams: dict[str, Any], settings: dict[str, Any]) -> None:
    assert by_setting(hparams) == settings
