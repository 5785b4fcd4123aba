"""Which runs are trained as one."""

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.values import override


def kind(*settings: str) -> Config | None:
    return stacking_key(override(Config(), settings))


def test_runs_that_differ_in_numbers_alone_are_alike() -> None:
    numbers = ("training.seed=7", "optimizer.lr=0.5", "optimizer.weight_decay=0.1", "optimizer.momentum=0.9")
    assert kind(*numbers) == kind() is not None
    for other in ("training.epochs=3", "model.activation=tanh", "optimizer.name=sgd", "data.batch_size=32"):
        assert kind(other) not in (None, kind())


@pytest.mark.parametrize(
    "setting",
    [
        "model.name=cnn",
        "model.dropout=0.1",
        "model.batch_norm=true",
        "data.augment=[shift]",
        "data.transform=mine.py:change",
        "optimizer.name=muon",
        "optimizer.accumulate=2",
        "training.precision=bf16",
        "training.max_minutes=5",
    ],
)
def test_what_a_stack_cannot_do_as_it_is_done_alone_is_done_alone(setting: str) -> None:
    assert kind(setting) is None
