import math
from pathlib import Path

import pytest
import torch

from tuitrain.training import checkpoint
from tuitrain.training.metrics import RunningMetrics

CPU = torch.device("cpu")


def filled(losses: list[float], sizes: list[int], capacity: int = 8) -> RunningMetrics:
    """Of each mini-batch the first half, rounded up, is classified rightly."""
    metrics = RunningMetrics(capacity, CPU)
    for loss, size in zip(losses, sizes, strict=True):
        labels = torch.arange(size) % 3
        answers = torch.where(torch.arange(size) < (size + 1) // 2, labels, labels + 1)
        metrics.add(torch.tensor(loss), torch.nn.functional.one_hot(answers, 4).float(), labels)
    return metrics


def read(metrics: RunningMetrics) -> tuple[float, int, int]:
    """Sum of the losses of all images, images classified rightly, images."""
    taken = metrics.start_readback()
    _, total, correct, _ = taken.read()
    return total, correct, taken.samples


def test_sums_over_images() -> None:
    metrics = filled([0.5, 2.0, 1.0], [4, 3, 1])
    assert len(metrics) == 3
    assert read(metrics) == (0.5 * 4 + 2.0 * 3 + 1.0, 2 + 2 + 1, 8)


def test_reading_empties() -> None:
    metrics = filled([1.0, 1.0], [2, 2])
    read(metrics)
    assert len(metrics) == 0
    assert read(metrics) == (0, 0, 0)
    metrics.add(torch.tensor(3.0), torch.eye(4), torch.arange(4))
    assert read(metrics) == (12.0, 4, 4)


def test_what_is_taken_stays_as_it_was() -> None:
    metrics, norms = filled([0.5, math.nan], [4, 3]), torch.tensor([3.0, 4.0])
    taken = metrics.start_readback(norms)
    norms.zero_()
    metrics.add(torch.tensor(9.0), torch.eye(4), torch.arange(4))
    assert taken.ready
    losses, _, correct, more = taken.read()
    assert losses == pytest.approx([0.5, math.nan], nan_ok=True)
    assert (correct, taken.samples, more) == (2 + 2, 7, [[3.0, 4.0]])
    assert metrics.batch_losses() == [9.0]


def test_saved_and_restored(tmp_path: Path) -> None:
    metrics = filled([0.5, 2.0], [4, 3])
    checkpoint.save(tmp_path / "window", metrics.state_dict())
    again = RunningMetrics(4, CPU)
    again.load_state_dict(checkpoint.load(tmp_path / "window"))
    for each in (metrics, again):
        each.add(torch.tensor(1.0), torch.eye(4), torch.arange(4))
    assert read(again) == read(metrics) == (0.5 * 4 + 2.0 * 3 + 4.0, 2 + 2 + 4, 11)


def test_a_saved_window_that_is_longer_makes_room(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "window", filled([1.0] * 5, [1] * 5).state_dict())
    metrics = RunningMetrics(4, CPU)
    metrics.load_state_dict(checkpoint.load(tmp_path / "window"))
    for _ in range(4):
        metrics.add(torch.tensor(2.0), torch.eye(4), torch.arange(4))
    assert read(metrics) == (5.0 + 4 * 4 * 2.0, 5 + 4 * 4, 5 + 4 * 4)


def test_a_window_keeps_no_graph() -> None:
    metrics = filled([1.0], [1])
    assert not metrics.state_dict()["losses"].requires_grad
