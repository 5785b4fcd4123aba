"""Measuring a step takes seconds, however long the step is."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.training.estimate import measure, speed
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


@pytest.mark.parametrize(("accumulate", "seconds", "steps"), [(1, 0.25, 10), (10**6, 0.25, 10), (10**6, 60.0, 1)])
@pytest.mark.usefixtures("restored_torch_settings")
def test_the_time_limit_applies_to_batches(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, accumulate: int, seconds: float, steps: int
) -> None:
    taken = 0

    def batches(setup: Setup) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        nonlocal taken
        for batch in original(setup):
            taken += 1
            assert taken < 50
            yield batch

    original = measure._batches
    monkeypatch.setattr(measure, "_batches", batches)
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: taken * seconds))
    setup = prepare(quick(f"optimizer.accumulate={accumulate}", "model.hidden=[4]"), lambda *_: None)
    found = speed.measure_speed(setup)
    assert (found.step, found.steps) == (accumulate * seconds, steps)
