import pytest

from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.values import override


def key(*settings: str) -> Config | None:
    return stacking_key(override(Config(), settings))


def test_runs_that_differ_in_seed_and_optimizer_numbers_can_be_stacked() -> None:
    numbers = ("training.seed=7", "optimizer.lr=0.5", "optimizer.weight_decay=0.1", "optimizer.momentum=0.9")
    assert key(*numbers) == key() is not None
    for other in ("training.epochs=3", "model.activation=tanh", "optimizer.name=sgd", "data.batch_size=32"):
        assert key(other) not in (None, key())


@pytest.mark.parametrize(
    "setting",
    [
        "model.name=cnn",
        "model.dropout=0.1",
        "model.batch_norm=true",
        "data.augment=[shift]",
        "data.transform=mine.py:change",
        "data.dataset=image-folder",
        "optimizer.name=muon",
        "optimizer.accumulate=2",
        "training.precision=bf16",
        "training.max_minutes=5",
        "training.class_weights=balanced",
    ],
)
def test_settings_that_rule_out_stacking(setting: str) -> None:
    assert key("data.dir=images", setting) is None
    assert key("data.dir=images") is not None
