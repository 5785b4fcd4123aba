"""Hyperparameters that other tools recorded become settings if they fit."""

from typing import Any

import pytest

from tuitrain.config.schema import Config
from tuitrain.runs.external_info import ExternalRunInfo, convert_setting, settings_of
from tuitrain.runs.records import RunInfo


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("optimizer.lr", 0.1, 0.1), ("optimizer.lr", 1, 1.0), ("optimizer.lr", "0.1", 0.1), ("optimizer.lr", "x", None),
        ("optimizer.lr", float("inf"), None), ("optimizer.lr", True, None), ("training.epochs", 5.0, 5),
        ("training.epochs", 5.5, None), ("training.epochs", "5", 5), ("model.hidden", "[8, 4]", (8, 4)),
        ("model.hidden", 8.0, None), ("model.batch_norm", True, True), ("model.batch_norm", 1, None),
        ("model.batch_norm", "true", True), ("optimizer.name", "Adam", "adam"), ("optimizer.name", "Lion", "Lion"),
        ("data.augment", "[flip]", ("flip",)), ("data.augment", "spin", None),
    ],
)  # fmt: skip
def test_a_value_gets_the_type_of_its_setting(key: str, value: Any, expected: Any) -> None:
    found = convert_setting(key, value)
    assert (type(found), found) == (type(expected), expected)


def test_settings_of_other_tools_are_only_the_recorded_ones() -> None:
    info = ExternalRunInfo(id="a", name="a", hparams={"optimizer.lr": 0.1, "theirs": "x"})
    assert settings_of(info, Config()) == {"optimizer.lr": 0.1, "theirs": "x"}
    assert settings_of(RunInfo(id="a", name="a"), Config())["training.epochs"] == Config().training.epochs
