"""Settings with which a run fits that does not."""

import pytest
import torch
from msgspec.structs import replace

from tuitrain.analysis.memory import Need
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.training.estimate.batch import Values, estimator, settings_that_fit, within_epoch

SHAPE = (3, 32, 32)


def found(free: int, *settings: str) -> Values:
    config = override(Config(), ["training.device=cpu", "data.batch_size=256", *settings])
    return settings_that_fit(config, estimator(SHAPE, 10, 0, torch.device("cpu"), free))


def need(*settings: str) -> Need:
    config = override(Config(), ["training.device=cpu", *settings])
    return estimator(SHAPE, 10, 0, torch.device("cpu"), None)(config)


CNN = ("model.name=cnn", "optimizer.name=sgd")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_largest_smaller_batch_that_fits(accumulate: int) -> None:
    settings = (*CNN, f"optimizer.accumulate={accumulate}")
    fitting = found(need(*CNN, "data.batch_size=128", "optimizer.accumulate=2").total + 10**6, *settings)
    assert fitting == {"data.batch_size": 128, "optimizer.accumulate": 2 * accumulate}


def test_nothing_fits_into_no_memory() -> None:
    assert found(10**4, *CNN) == {}


@pytest.mark.parametrize(
    ("free", "changes"),
    [
        (24_000, {}),
        (2_400, {"training.checkpointing": True}),
        (1_200, {"training.checkpointing": True, "training.precision": "bf16"}),
    ],
)
def test_activations_are_reduced_only_if_small_batches_do_not_suffice(free: int, changes: Values) -> None:
    def estimate(config: Config) -> Need:
        size = 1000 * config.data.images_per_batch * (1 if config.training.checkpointing else 10)
        size = size // 2 if config.training.precision == "bf16" else size
        return replace(some, free=free, step=replace(some.step, training=size, evaluation=0, checkpoint=0))

    some = need("model.name=cnn")
    fitting = settings_that_fit(override(Config(), ["model.name=cnn", "data.batch_size=8"]), estimate)
    assert {key: value for key, value in fitting.items() if key.startswith("training")} == changes


@pytest.mark.parametrize(
    ("batch", "accumulate", "expected"),
    [(10**9, 1, (100, 1)), (10**9, 10**6, (100, 1)), (100, 2, (100, 1)), (30, 10**6, (30, 4)), (30, 4, (30, 4))],
)
def test_no_step_has_more_images_than_an_epoch(batch: int, accumulate: int, expected: tuple[int, int]) -> None:
    config = override(Config(), [f"data.batch_size={batch}", f"optimizer.accumulate={accumulate}"])
    limited = within_epoch(config, 100)
    assert (limited.data.batch_size, limited.optimizer.accumulate) == expected


def test_an_odd_batch_cannot_be_halved() -> None:
    assert found(10**12, "model.name=cnn", "data.batch_size=3") == {}
