import math
from pathlib import Path

import pytest
import torch

from tuitrain.training import checkpoint
from tuitrain.training.metrics import RunningMetrics, StackedMetrics

CPU = torch.device("cpu")


def filled(losses: list[float], sizes: list[int], capacity: int = 8) -> RunningMetrics:
    """Add mini-batches of which the first half, rounded up, is classified correctly."""
    metrics = RunningMetrics(capacity, CPU)
    for loss, size in zip(losses, sizes, strict=True):
        labels = torch.arange(size) % 3
        answers = torch.where(torch.arange(size) < (size + 1) // 2, labels, labels + 1)
        metrics.add(torch.tensor(loss), torch.nn.functional.one_hot(answers, 4).float(), labels)
    return metrics


def read(metrics: RunningMetrics) -> tuple[float, int, int]:
    """Return the loss summed over images, the number of correct predictions, and that of images."""
    sizes, readback = metrics.start_readback()
    losses, correct = readback.read()
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)), correct, sum(sizes)


def test_sums_are_over_images() -> None:
    metrics = filled([0.5, 2.0, 1.0], [4, 3, 1])
    assert len(metrics) == 3
    assert read(metrics) == (0.5 * 4 + 2.0 * 3 + 1.0, 2 + 2 + 1, 8)


def test_a_readback_starts_over() -> None:
    metrics = filled([1.0, 1.0], [2, 2])
    read(metrics)
    assert len(metrics) == 0
    assert read(metrics) == (0, 0, 0)
    metrics.add(torch.tensor(3.0), torch.eye(4), torch.arange(4))
    assert read(metrics) == (12.0, 4, 4)


def test_a_readback_keeps_its_values() -> None:
    metrics, norms = filled([0.5, math.nan], [4, 3]), torch.tensor([3.0, 4.0])
    sizes, readback = metrics.start_readback(norms)
    norms.zero_()
    metrics.add(torch.tensor(9.0), torch.eye(4), torch.arange(4))
    assert readback.ready
    losses, correct, extra = readback.read()
    assert losses == pytest.approx([0.5, math.nan], nan_ok=True)
    assert (correct, sizes, extra) == (2 + 2, [4, 3], [3.0, 4.0])
    assert metrics.batch_losses() == [9.0]


def test_state_dict_round_trip(tmp_path: Path) -> None:
    metrics = filled([0.5, 2.0], [4, 3])
    checkpoint.save(tmp_path / "metrics", metrics.state_dict())
    restored = RunningMetrics(4, CPU)
    restored.load_state_dict(checkpoint.load(tmp_path / "metrics"))
    for each in (metrics, restored):
        each.add(torch.tensor(1.0), torch.eye(4), torch.arange(4))
    assert read(restored) == read(metrics) == (0.5 * 4 + 2.0 * 3 + 4.0, 2 + 2 + 4, 11)


def test_loading_more_mini_batches_than_the_capacity(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "metrics", filled([1.0] * 5, [1] * 5).state_dict())
    metrics = RunningMetrics(4, CPU)
    metrics.load_state_dict(checkpoint.load(tmp_path / "metrics"))
    for _ in range(4):
        metrics.add(torch.tensor(2.0), torch.eye(4), torch.arange(4))
    assert read(metrics) == (5.0 + 4 * 4 * 2.0, 5 + 4 * 4, 5 + 4 * 4)


def test_state_has_no_autograd_graph() -> None:
    metrics = filled([1.0], [1])
    assert not metrics.state_dict()["losses"].requires_grad


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_any_number_of_mini_batches(count: int) -> None:
    sizes = [1 + index % 3 for index in range(count)]
    metrics = filled([float(index) for index in range(count)], sizes, capacity=count)
    assert metrics.samples == sum(sizes)
    assert metrics.batch_losses() == list(range(count))
    correct = sum((size + 1) // 2 for size in sizes)
    assert read(metrics) == (sum(index * size for index, size in enumerate(sizes)), correct, sum(sizes))


def test_metrics_of_captured_steps_equal_those_of_eager_ones() -> None:
    metrics = filled([0.5], [4])
    assert metrics.batch_losses() == [0.5]
    position = metrics.device_tensors[-1]
    metrics.reset_position()
    # Two steps of a warm-up, which nothing notes.
    for _ in range(2):
        metrics.add_on_device(torch.tensor(9.0), torch.zeros(2, 4), torch.ones(2, dtype=torch.int64))
    metrics.reset_position()
    for loss in (2.0, 3.0):
        metrics.add_on_device(torch.tensor(loss), torch.eye(4), torch.tensor([0, 1, 2, 0]))
        metrics.note_batch(4)
    assert position.tolist() == [3]
    assert metrics.batch_losses() == [0.5, 2.0, 3.0]
    assert read(metrics) == (4 * 5.5, 2 + 2 * 3, 12)
    assert position.tolist() == [0]


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_stacked_metrics_equal_those_of_each_run(captured: bool, count: int) -> None:
    """The runs come from checkpoints of one step, in tensors of different capacity."""
    runs = [filled([0.5], [4], capacity) for capacity in (4, 6)[:count]]
    for run in runs:
        run.batch_losses()
    stacked = StackedMetrics(runs)
    logits = torch.stack([torch.eye(4), torch.eye(4).flip(0)][:count])
    for losses in ([1.0, 2.0], [3.0, 4.0]):
        labels = torch.arange(4).expand(count, 4)
        (stacked.add_on_device if captured else stacked.add)(torch.tensor(losses[:count]), logits, labels)
        if captured:
            stacked.note_batch(4)
    assert [run.batch_losses() for run in runs] == [[0.5, 1.0, 3.0], [0.5, 2.0, 4.0]][:count]
    assert [read(run) for run in runs] == [(4 * 4.5, 2 + 8, 12), (4 * 6.5, 2, 12)][:count]
