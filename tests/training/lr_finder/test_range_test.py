"""The learning-rate range test and its suggestion."""

from collections.abc import Callable
from itertools import islice
from math import isfinite, log
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.hosts.lr_find import find_learning_rate
from tuitrain.training.lr_finder import range_test as module
from tuitrain.training.lr_finder.range_test import range_test
from tuitrain.training.lr_finder.suggestion import smoothed, suggestion
from tuitrain.training.setup import prepare

Quick = Callable[..., Config]


def quiet(*_: object) -> None:
    pass


def test_the_suggestion_lies_within_the_fall() -> None:
    losses = [2.3] * 40 + [2.3 - 0.05 * step for step in range(30)] + [0.9 + 0.5 * step for step in range(30)]
    rates = [10 ** (-7 + step * 8 / 99) for step in range(100)]
    found = suggestion(rates, losses)
    assert found is not None
    assert rates[45] < found < rates[72]


@pytest.mark.usefixtures("restored_torch_settings")
def test_a_step_accumulates_no_more_batches_than_an_epoch_has(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, batches = prepare(quick("optimizer.accumulate=1000000"), quiet), module._batches
    monkeypatch.setattr(module, "_batches", lambda setup: islice(batches(setup), 2 * setup.batches_per_epoch))
    assert len(list(range_test(setup, 1e-4, 1e-3, 2))) == 2


def test_nothing_is_suggested_if_the_loss_only_rises() -> None:
    assert suggestion([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]) is None
    assert suggestion([], []) is None


def test_the_smoothed_loss_begins_without_bias_and_ends_where_it_diverges() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert len(smoothed([1.0] * 10 + [1000.0] * 10)) == 10


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_training_at_the_suggested_rate_falls(
    quick: Quick, train: Callable[..., object], tmp_path: Path, name: str
) -> None:
    found = find_learning_rate(quick(f"optimizer.name={name}"), tmp_path, quiet)
    assert list(found.rates) == sorted(found.rates)
    assert all(map(isfinite, found.losses))
    assert found.suggestion is not None
    run = train(f"optimizer.name={name}", f"optimizer.lr={found.suggestion}", "training.epochs=15")
    assert run.train["loss"][-1] < log(10) / 2  # type: ignore[attr-defined]
    assert not list(tmp_path.glob("*/run.json"))


def test_the_range_test_mixes_labels_as_training_does(quick: Quick) -> None:
    """With equal shares of two images, a perfect network has a loss of ln 2, unless both are of one class."""
    losses = []
    for augment in ("", "mixup"):
        setup = prepare(quick(f"data.augment=[{augment}]", "data.mixup_alpha=100", "optimizer.lr=0.01"), quiet)
        losses.append([loss for _, loss in range_test(setup, 0.01, 0.011, 60)])
    assert min(losses[0]) < 0.3
    assert min(losses[1]) > 0.5


def test_a_range_test_trains_what_most_epochs_train(quick: Quick, tmp_path: Path) -> None:
    settings = "model.batch_norm=true", "training.epochs=2"
    all_weights, thawed, frozen = (
        find_learning_rate(quick(*settings, f"finetune.freeze_epochs={epochs}"), tmp_path, quiet, steps=10).losses
        for epochs in (0, 1, 2)
    )
    assert thawed == all_weights
    assert frozen != all_weights
